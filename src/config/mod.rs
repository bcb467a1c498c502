//! The settings of the server. docs/CONFIGURATION.md describes them, and [`environment`] reads them.

pub mod environment;
mod redis_url;

use std::{net::SocketAddr, num::NonZeroUsize, path::PathBuf, str::FromStr, time::Duration};

use axum::http::HeaderValue;
use chrono_tz::Tz;
use ipnet::IpNet;
use secrecy::SecretString;
use sqlx::postgres::PgConnectOptions;
use url::Url;

pub use self::environment::{
    AwsSettings, Environment, Log, LogFormat, MailConfig, OidcConfig, SettingError, SignUpMode, path_prefix,
};
pub use self::redis_url::RedisUrl;

/// Minimum length of a signing key, in bytes.
const MIN_SECRET: usize = 32;

/// Placeholders of signing keys in the templates of this repository. They are public, so a server must not start with one.
const TEMPLATE_SECRETS: &[&str] = &["replace-me-with-at-least-32-random-bytes"];

/// Rate limit: `count` at once, and as many again in each `period`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub count: u32,
    pub period: Duration,
}

impl FromStr for Rate {
    type Err = ();

    /// Parses `10/5m`.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (count, period) = text.split_once('/').ok_or(())?;
        let rate = Self {
            count: count.trim().parse().map_err(|_| ())?,
            period: humantime::parse_duration(period.trim()).map_err(|_| ())?,
        };
        let sane = rate.count > 0 && !rate.period.is_zero() && rate.period <= Duration::from_hours(24 * 365);
        if sane { Ok(rate) } else { Err(()) }
    }
}

/// Settings of `serve`.
#[derive(Clone, Debug)]
pub struct Config {
    /// Executable of this program, which is started for each picture.
    pub program: PathBuf,
    /// Folder of the built web app, if there is one.
    pub web: Option<PathBuf>,
    /// `DATABASE_URL`.
    pub database: PgConnectOptions,
    /// `DATABASE_DIRECT_URL`: the same database without a pooler, for migrations and notifications.
    pub database_direct: PgConnectOptions,
    /// `REDIS_URL`.
    pub redis_url: RedisUrl,
    /// `REDIS_PREFIX`, the prefix of all keys.
    pub redis_prefix: String,
    /// `JWT_SECRET`, which signs.
    pub jwt_secret: SecretString,
    /// `JWT_SECRET_PREVIOUS`, which only verifies during a rotation of keys.
    pub jwt_secret_previous: Option<SecretString>,
    /// `HTTP_ADDR`.
    pub http_addr: SocketAddr,
    /// `METRICS_ADDR`: address of the metrics. None if they are at `HTTP_ADDR`.
    pub metrics_addr: Option<SocketAddr>,
    /// `SHUTDOWN_DELAY`: time that connections are still accepted during the shutdown.
    pub shutdown_delay: Duration,
    /// `PUBLIC_URL`: URL of the server for clients, with its path.
    pub public_url: Url,
    /// `MEDIA_URL`.
    pub media_url: Url,
    /// `AWS_` variables.
    pub aws: AwsSettings,
    /// `APP_TIMEZONE`: time zone of days.
    pub timezone: Tz,
    /// `ACCESS_TOKEN_TTL`.
    pub access_token_ttl: Duration,
    /// `REFRESH_TOKEN_TTL`.
    pub refresh_token_ttl: Duration,
    /// `REFRESH_TOKEN_ROTATION`.
    pub refresh_token_rotation: bool,
    /// `REFRESH_TOKEN_GRACE`: time in which another use of a refresh token counts as a retry and not as theft.
    pub refresh_token_grace: Duration,
    /// `REACTION_FLUSH_INTERVAL`.
    pub flush_interval: Duration,
    /// `REACTION_RECONCILE_INTERVAL`.
    pub reconcile_interval: Duration,
    /// `LIMIT_SIGN_IN_ACCOUNT`: failed sign-ins of an account from one address. Ten times as many from all addresses.
    pub limit_sign_in_account: Rate,
    /// `LIMIT_SIGN_IN_ADDRESS`: failed sign-ins from an address.
    pub limit_sign_in_address: Rate,
    /// `LIMIT_SIGN_UP_ADDRESS`: sign-ups from an address.
    pub limit_sign_up_address: Rate,
    /// `LIMIT_CONNECTIONS_ADDRESS`: open connections from an address, except for trusted proxies.
    pub limit_connections_address: usize,
    /// `LIMIT_WRITES_USER`: requests of a user that may change something.
    pub limit_writes_user: Rate,
    /// `TRUSTED_PROXIES`: networks whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Vec<IpNet>,
    /// `CORS_ALLOWED_ORIGINS`.
    pub cors_allowed_origins: Vec<HeaderValue>,
    /// `SMTP_URL` and `MAIL_FROM`. None without mail.
    pub mail: Option<MailConfig>,
    /// `SIGN_UP`.
    pub sign_up: SignUpMode,
    /// `SIGN_UP_EMAIL_DOMAINS`: domains of emails that may sign up without an invitation. Empty for any.
    pub sign_up_email_domains: Vec<String>,
    /// `OIDC_ISSUER` and the others. None without an identity provider.
    pub oidc: Option<OidcConfig>,
    /// `ADMIN_EMAIL`: email of the first admin.
    pub admin_email: Option<String>,
    /// `OUTBOUND_ALLOW_HTTP`: channels may have http:// URLs.
    pub outbound_allow_http: bool,
    /// `OUTBOUND_ALLOW_PRIVATE`: channels may have addresses that are not public.
    pub outbound_allow_private: bool,
}

impl Config {
    /// # Errors
    /// The first setting that is missing or invalid.
    pub fn read(environment: &Environment) -> Result<Self, SettingError> {
        let second = Duration::from_secs(1);
        let tick = Duration::from_millis(10);
        let redis_url = environment.required("REDIS_URL")?.parse();
        Ok(Self {
            program: own_program(),
            web: built_web_app(),
            database: environment.database()?,
            database_direct: environment.database_direct()?,
            redis_url: redis_url.map_err(|problem: String| SettingError::new("REDIS_URL", problem))?,
            redis_prefix: environment.get("REDIS_PREFIX").unwrap_or_default().to_owned(),
            jwt_secret: Self::secret("JWT_SECRET", environment.required("JWT_SECRET")?)?,
            jwt_secret_previous: environment
                .get("JWT_SECRET_PREVIOUS")
                .map(|text| Self::secret("JWT_SECRET_PREVIOUS", text))
                .transpose()?,
            http_addr: environment.http_addr()?,
            metrics_addr: environment.metrics_addr()?,
            shutdown_delay: environment.duration("SHUTDOWN_DELAY", "1s", Duration::ZERO)?,
            public_url: environment.public_url()?,
            media_url: environment.media()?,
            aws: environment.aws(),
            timezone: environment.timezone()?,
            access_token_ttl: environment.duration("ACCESS_TOKEN_TTL", "15m", second)?,
            refresh_token_ttl: environment.duration("REFRESH_TOKEN_TTL", "14d", second)?,
            refresh_token_rotation: environment.parsed("REFRESH_TOKEN_ROTATION", "true", "true or false")?,
            refresh_token_grace: environment.duration("REFRESH_TOKEN_GRACE", "10s", Duration::ZERO)?,
            flush_interval: environment.duration("REACTION_FLUSH_INTERVAL", "1s", tick)?,
            reconcile_interval: environment.duration("REACTION_RECONCILE_INTERVAL", "30s", tick)?,
            limit_sign_in_account: environment.parsed("LIMIT_SIGN_IN_ACCOUNT", "10/5m", "a rate such as 10/5m")?,
            limit_sign_in_address: environment.parsed("LIMIT_SIGN_IN_ADDRESS", "100/5m", "a rate such as 10/5m")?,
            limit_sign_up_address: environment.parsed("LIMIT_SIGN_UP_ADDRESS", "100/1h", "a rate such as 10/5m")?,
            limit_connections_address: environment
                .parsed::<NonZeroUsize>("LIMIT_CONNECTIONS_ADDRESS", "512", "a number above 0")?
                .get(),
            limit_writes_user: environment.parsed("LIMIT_WRITES_USER", "600/1m", "a rate such as 10/5m")?,
            trusted_proxies: environment.networks()?,
            cors_allowed_origins: environment.origins()?,
            mail: environment.mail()?,
            sign_up: environment.sign_up()?,
            sign_up_email_domains: environment.sign_up_email_domains()?,
            oidc: environment.oidc()?,
            admin_email: environment.admin_email()?,
            outbound_allow_http: environment.parsed("OUTBOUND_ALLOW_HTTP", "false", "true or false")?,
            outbound_allow_private: environment.parsed("OUTBOUND_ALLOW_PRIVATE", "false", "true or false")?,
        })
    }

    fn secret(variable: &'static str, text: &str) -> Result<SecretString, SettingError> {
        if TEMPLATE_SECRETS.contains(&text) {
            return Err(SettingError::new(variable, "is the placeholder of the template; generate one of your own"));
        }
        if text.len() < MIN_SECRET {
            let problem = format!("must be at least {MIN_SECRET} bytes, has {}", text.len());
            return Err(SettingError::new(variable, problem));
        }
        Ok(SecretString::from(text))
    }
}

/// This program, even if a newer one has replaced its file.
fn own_program() -> PathBuf {
    let running = PathBuf::from("/proc/self/exe");
    if running.exists() { running } else { std::env::current_exe().unwrap_or_default() }
}

/// `web/dist` in the working folder or beside this program.
fn built_web_app() -> Option<PathBuf> {
    let beside = std::env::current_exe().ok().and_then(|program| Some(program.parent()?.to_owned()));
    [Some(PathBuf::new()), beside]
        .into_iter()
        .flatten()
        .map(|folder| folder.join("web/dist"))
        .find(|folder| folder.join("index.html").is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &[(&str, &str)] = &[
        ("DATABASE_URL", "postgres://u:p@localhost/snack"),
        ("REDIS_URL", "redis://localhost"),
        ("JWT_SECRET", "0123456789abcdef0123456789abcdef"),
    ];

    fn read(changes: &[(&str, &str)]) -> Result<Config, String> {
        let environment =
            VALID.iter().chain(changes).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Config::read(&environment).map_err(|error| error.to_string())
    }

    #[test]
    fn the_defaults_are_the_documented_ones() {
        let config = read(&[]).expect("valid settings");
        assert_eq!(config.http_addr.to_string(), "0.0.0.0:8000");
        assert_eq!(config.public_url.as_str(), "http://localhost:8000/");
        assert_eq!(config.timezone, Tz::Asia__Seoul);
        assert_eq!(config.media_url.as_str(), "file:///var/lib/snack/media");
        assert_eq!(config.shutdown_delay, Duration::from_secs(1));
        assert_eq!(config.access_token_ttl, Duration::from_mins(15));
        assert_eq!(config.refresh_token_ttl, Duration::from_hours(14 * 24));
        assert_eq!(config.refresh_token_grace, Duration::from_secs(10));
        assert!(config.refresh_token_rotation);
        assert_eq!(config.flush_interval, Duration::from_secs(1));
        assert_eq!(config.reconcile_interval, Duration::from_secs(30));
        assert_eq!(config.limit_connections_address, 512);
        assert!(config.cors_allowed_origins.is_empty());
        assert!(config.mail.is_none());
        assert!(!config.outbound_allow_http && !config.outbound_allow_private);
        let rate = |count, minutes| Rate { count, period: Duration::from_mins(minutes) };
        assert_eq!(config.limit_sign_in_account, rate(10, 5));
        assert_eq!(config.limit_sign_in_address, rate(100, 5));
        assert_eq!(config.limit_sign_up_address, rate(100, 60));
        assert_eq!(config.limit_writes_user, rate(600, 1));
    }

    #[test]
    fn a_wrong_setting_is_refused_by_name_on_one_line() {
        let table = [
            ("DATABASE_URL", ""),
            ("DATABASE_URL", "mysql://localhost/snack"),
            ("DATABASE_URL", "not a url"),
            ("DATABASE_DIRECT_URL", "mysql://localhost/snack"),
            ("REDIS_URL", ""),
            ("REDIS_URL", "http://localhost"),
            ("REDIS_URL", "redis://localhost:port"),
            ("REDIS_URL", "rediss://localhost/#insecure"),
            ("REDIS_URL", "redis-cluster://"),
            ("REDIS_URL", "redis-cluster://a:6379,"),
            ("REDIS_URL", "redis-cluster://a:6379,b:6379/1"),
            ("REDIS_URL", "rediss-cluster://a:port"),
            ("JWT_SECRET", ""),
            ("JWT_SECRET", "short"),
            ("JWT_SECRET", TEMPLATE_SECRETS[0]),
            ("JWT_SECRET_PREVIOUS", "short"),
            ("HTTP_ADDR", "8000"),
            ("METRICS_ADDR", "9090"),
            ("PUBLIC_URL", "office.example"),
            ("PUBLIC_URL", "/snack"),
            ("PUBLIC_URL", "ftp://office.example"),
            ("PUBLIC_URL", "https:office.example"),
            ("PUBLIC_URL", "https://"),
            ("PUBLIC_URL", "https://office.example/?a=1"),
            ("PUBLIC_URL", "https://office.example/#part"),
            ("PUBLIC_URL", "https://user:secret@office.example"),
            ("PUBLIC_URL", "https://office.example//snack"),
            ("MEDIA_URL", "ftp://host/folder"),
            ("MEDIA_URL", "nonsense"),
            ("APP_TIMEZONE", "Mars/Olympus"),
            ("ACCESS_TOKEN_TTL", "soon"),
            ("ACCESS_TOKEN_TTL", "0s"),
            ("REFRESH_TOKEN_TTL", "-1d"),
            ("REFRESH_TOKEN_TTL", "1000000years"),
            ("REFRESH_TOKEN_ROTATION", "yes"),
            ("REFRESH_TOKEN_GRACE", "ten"),
            ("REACTION_FLUSH_INTERVAL", "0s"),
            ("REACTION_RECONCILE_INTERVAL", "x\ny"),
            ("CORS_ALLOWED_ORIGINS", "https://good.example, *"),
            ("LIMIT_SIGN_IN_ACCOUNT", "ten"),
            ("LIMIT_SIGN_IN_ACCOUNT", "0/5m"),
            ("LIMIT_SIGN_IN_ADDRESS", "10"),
            ("LIMIT_SIGN_UP_ADDRESS", "10/0s"),
            ("LIMIT_CONNECTIONS_ADDRESS", "0"),
            ("LIMIT_CONNECTIONS_ADDRESS", "many"),
            ("LIMIT_WRITES_USER", "600"),
            ("TRUSTED_PROXIES", "10.0.0.0/8, everybody"),
            ("OUTBOUND_ALLOW_HTTP", "yes"),
            ("OUTBOUND_ALLOW_PRIVATE", "1"),
            ("SIGN_UP", "closed"),
            ("SIGN_UP", "Open"),
            ("SIGN_UP_EMAIL_DOMAINS", "office.example, @other.example"),
            ("SIGN_UP_EMAIL_DOMAINS", "kim@office.example"),
            ("SIGN_UP_EMAIL_DOMAINS", "office example"),
            ("SIGN_UP_EMAIL_DOMAINS", "10.0.0.1"),
            ("ADMIN_EMAIL", "boss"),
        ];
        for (variable, value) in table {
            let error = read(&[(variable, value)]).expect_err(value);
            assert!(error.starts_with(&format!("{variable}: ")), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn domains_are_read_in_the_form_in_which_emails_are_stored() {
        let domains = |text| read(&[("SIGN_UP_EMAIL_DOMAINS", text)]).map(|config| config.sign_up_email_domains);
        assert_eq!(domains(""), Ok(Vec::new()));
        let expected = ["office.example", "xn--3e0b707e.kr", "b.example"].map(str::to_owned).to_vec();
        assert_eq!(domains(" Office.EXAMPLE,한국.kr , ,b.example"), Ok(expected));
    }

    #[test]
    fn an_identity_provider_has_all_its_settings_or_none() {
        let all = [
            ("OIDC_ISSUER", "https://id.example/realms/office"),
            ("OIDC_CLIENT_ID", "snack"),
            ("OIDC_CLIENT_SECRET", "a-secret-of-the-client"),
            ("OIDC_NAME", "Keycloak"),
        ];
        assert!(read(&[]).expect("sound settings").oidc.is_none());
        let oidc = read(&all).expect("sound settings").oidc.expect("a provider");
        assert_eq!((oidc.issuer.as_str(), oidc.name.as_str()), ("https://id.example/realms/office", "Keycloak"));
        for (missing, _) in all {
            let others: Vec<_> = all.into_iter().filter(|(variable, _)| *variable != missing).collect();
            let error = read(&others).expect_err(missing);
            assert!(error.starts_with(&format!("{missing}: ")), "{error}");
        }
        for issuer in ["id.example", "ftp://id.example", "https://user:pw@id.example", "https://id.example/?a=1"] {
            let error = read(&[all[1], all[2], all[3], ("OIDC_ISSUER", issuer)]).expect_err(issuer);
            assert!(error.starts_with("OIDC_ISSUER: ") && !error.contains("pw"), "{error}");
        }
    }

    #[test]
    fn the_placeholder_of_the_compose_template_does_not_start() {
        let template = include_str!("../../.env.docker-compose.template");
        let secret = template.lines().find_map(|line| line.strip_prefix("JWT_SECRET=")).expect("a JWT_SECRET");
        assert!(TEMPLATE_SECRETS.contains(&secret), "{secret}");
    }

    #[test]
    fn logs_are_json_except_on_a_terminal() {
        let environment = |pairs: &[(&str, &str)]| -> Environment {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let format =
            |pairs, terminal| environment(pairs).log(terminal).map(|log| log.format).map_err(|e| e.to_string());
        assert_eq!(format(&[], false), Ok(LogFormat::Json));
        assert_eq!(format(&[], true), Ok(LogFormat::Pretty));
        assert_eq!(format(&[("LOG_FORMAT", "pretty")], false), Ok(LogFormat::Pretty));
        assert!(format(&[("LOG_FORMAT", "xml")], false).is_err_and(|error| error.starts_with("LOG_FORMAT: ")));
        assert!(format(&[("RUST_LOG", "=,=x")], false).is_err_and(|error| error.starts_with("RUST_LOG: ")));
    }
}
