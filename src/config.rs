//! The settings. This file is the only reader of the environment; the README's table of settings says the same.

use std::{
    collections::HashMap,
    fmt,
    net::{IpAddr, SocketAddr},
    num::NonZeroUsize,
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use axum::http::HeaderValue;
use chrono_tz::Tz;
use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnectOptions;
use tracing_subscriber::EnvFilter;
use url::Url;

/// The least that a signing key may weigh, in bytes.
const MIN_SECRET: usize = 32;

/// Default of `PUBLIC_URL`.
pub const DEFAULT_PUBLIC_URL: &str = "http://localhost:8000";

/// What a rate is, for whoever got one wrong.
const RATE: &str = "a rate such as 10/5m";

/// What the templates of this repository put where a signing key belongs; a server that signs with one of these is open to
/// everybody who reads them.
const TEMPLATE_SECRETS: &[&str] = &["replace-me-with-at-least-32-random-bytes"];

/// A setting that is missing or wrong: one line that names the variable.
#[derive(Debug, PartialEq, Eq)]
pub struct SettingError {
    variable: &'static str,
    problem: String,
}

impl SettingError {
    /// `problem` with `variable`, on one line.
    pub fn new(variable: &'static str, problem: impl fmt::Display) -> Self {
        Self { variable, problem: problem.to_string().replace(['\n', '\r'], " ") }
    }
}

impl fmt::Display for SettingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.variable, self.problem)
    }
}

impl std::error::Error for SettingError {}

/// Where variables come from: the process's environment, or a table in a test.
pub struct Environment(HashMap<String, String>);

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self(variables.into_iter().collect())
    }
}

impl Environment {
    /// The process's own. Variables that are no UTF-8 count as absent.
    #[must_use]
    pub fn of_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// The variable's value; one that is empty counts as absent.
    fn get(&self, variable: &str) -> Option<&str> {
        self.0.get(variable).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn required(&self, variable: &'static str) -> Result<&str, SettingError> {
        self.get(variable).ok_or_else(|| SettingError::new(variable, "is required and not set"))
    }

    fn parsed<T: FromStr>(&self, variable: &'static str, default: &str, what: &str) -> Result<T, SettingError> {
        let text = self.get(variable).unwrap_or(default);
        text.parse().map_err(|_| SettingError::new(variable, format_args!("{text:?} is not {what}")))
    }

    fn duration(&self, variable: &'static str, default: &str, least: Duration) -> Result<Duration, SettingError> {
        let text = self.get(variable).unwrap_or(default);
        let duration = humantime::parse_duration(text)
            .map_err(|_| SettingError::new(variable, format_args!("{text:?} is not a duration such as {default}")))?;
        if duration < least {
            return Err(SettingError::new(
                variable,
                format_args!("must be at least {}", humantime::format_duration(least)),
            ));
        }
        if duration > Duration::from_hours(100 * 365 * 24) {
            return Err(SettingError::new(variable, "must be at most 100 years"));
        }
        Ok(duration)
    }

    /// `DATABASE_URL`.
    ///
    /// # Errors
    /// When it is missing or no Postgres URL.
    pub fn database(&self) -> Result<PgConnectOptions, SettingError> {
        let text = self.required("DATABASE_URL")?;
        let url = Url::parse(text)
            .map_err(|error| SettingError::new("DATABASE_URL", format_args!("is not a URL: {error}")))?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(SettingError::new("DATABASE_URL", "must begin with postgres://"));
        }
        PgConnectOptions::from_str(text).map_err(|error| SettingError::new("DATABASE_URL", error))
    }

    /// `MEDIA_URL`.
    ///
    /// # Errors
    /// When it is no `file://` or `s3://` URL.
    pub fn media(&self) -> Result<Url, SettingError> {
        let url: Url = self.parsed("MEDIA_URL", "file:///var/lib/snack/media", "a URL")?;
        match url.scheme() {
            "file" if url.to_file_path().is_ok() => Ok(url),
            "s3" if url.host_str().is_some() => Ok(url),
            _ => Err(SettingError::new("MEDIA_URL", "must be file:///folder or s3://bucket/prefix")),
        }
    }

    /// `APP_TIMEZONE`.
    ///
    /// # Errors
    /// When it is no IANA name.
    pub fn timezone(&self) -> Result<Tz, SettingError> {
        self.parsed("APP_TIMEZONE", "Asia/Seoul", "an IANA time zone such as Asia/Seoul")
    }

    /// `HTTP_ADDR`.
    ///
    /// # Errors
    /// When it is no address and port.
    pub fn http_addr(&self) -> Result<SocketAddr, SettingError> {
        self.parsed("HTTP_ADDR", "0.0.0.0:8000", "an address and a port such as 0.0.0.0:8000")
    }

    fn public_url(&self) -> Result<Url, SettingError> {
        let text = self.get("PUBLIC_URL").unwrap_or(DEFAULT_PUBLIC_URL);
        let url = Url::parse(text).ok().filter(|url| {
            matches!(url.scheme(), "http" | "https")
                // The parser takes `http:host` as well.
                && text.contains("://")
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
                && url.fragment().is_none()
        });
        // The value is not repeated: it may hold a password.
        let problem = "must be an absolute http:// or https:// URL without user, query and fragment, \
                       such as https://office.example/snack";
        url.ok_or_else(|| SettingError::new("PUBLIC_URL", problem))
    }

    /// `SNACK_ADMIN_PASSWORD`, for `create-admin`.
    #[must_use]
    pub fn admin_password(&self) -> Option<SecretString> {
        self.get("SNACK_ADMIN_PASSWORD").map(SecretString::from)
    }

    /// `RUST_LOG` and `LOG_FORMAT`; `terminal` says whether a person is looking.
    ///
    /// # Errors
    /// When the filter cannot be read or the format is unknown.
    pub fn log(&self, terminal: bool) -> Result<Log, SettingError> {
        let directives = self.get("RUST_LOG").unwrap_or("info");
        let filter = EnvFilter::try_new(directives)
            .map_err(|error| SettingError::new("RUST_LOG", format_args!("{directives:?} is not a filter: {error}")))?;
        let format = match self.get("LOG_FORMAT") {
            Some("json") => LogFormat::Json,
            Some("pretty") => LogFormat::Pretty,
            Some(other) => {
                return Err(SettingError::new("LOG_FORMAT", format_args!("{other:?} is neither pretty nor json")));
            }
            None if terminal => LogFormat::Pretty,
            None => LogFormat::Json,
        };
        Ok(Log { filter, format })
    }

    fn networks(&self) -> Result<Vec<IpNet>, SettingError> {
        let list = self.get("TRUSTED_PROXIES").unwrap_or_default();
        // A single address is a network of one.
        let network = |text: &str| text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        list.split(',')
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .map(|text| {
                let problem = format!("{text:?} is not a network such as 10.0.0.0/8");
                network(text).ok_or_else(|| SettingError::new("TRUSTED_PROXIES", problem))
            })
            .collect()
    }

    fn origins(&self) -> Result<Vec<HeaderValue>, SettingError> {
        let list = self.get("CORS_ALLOWED_ORIGINS").unwrap_or_default();
        let origin = |text: &str| {
            let url = Url::parse(text).ok()?;
            let plain = matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == text;
            if plain { HeaderValue::from_str(text).ok() } else { None }
        };
        list.split(',')
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .map(|text| {
                origin(text).ok_or_else(|| {
                    let problem = format!("{text:?} is not an origin such as https://snack.example.com");
                    SettingError::new("CORS_ALLOWED_ORIGINS", problem)
                })
            })
            .collect()
    }
}

/// How often something may happen: so many at once, and as many again in every `period`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// So many.
    pub count: u32,
    /// In this time.
    pub period: Duration,
}

impl FromStr for Rate {
    type Err = ();

    /// `10/5m`.
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

/// How much to log, and how.
pub struct Log {
    /// What is logged.
    pub filter: EnvFilter,
    /// How it is written.
    pub format: LogFormat,
}

/// How a log line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// For machines: one JSON object a line.
    Json,
}

/// Everything that `serve` can be told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where this program is, to be started again for decoding pictures.
    pub program: PathBuf,
    /// The folder of the built web app, when there is one.
    pub web: Option<PathBuf>,
    /// `DATABASE_URL`.
    pub database: PgConnectOptions,
    /// `REDIS_URL`; secret, since it may hold a password.
    pub redis_url: SecretString,
    /// `REDIS_PREFIX`, in front of every key.
    pub redis_prefix: String,
    /// `JWT_SECRET`, which signs.
    pub jwt_secret: SecretString,
    /// `JWT_SECRET_PREVIOUS`, which only verifies, while keys are being changed.
    pub jwt_secret_previous: Option<SecretString>,
    /// `HTTP_ADDR`.
    pub http_addr: SocketAddr,
    /// `PUBLIC_URL`: where clients reach the server, path included.
    pub public_url: Url,
    /// `MEDIA_URL`.
    pub media_url: Url,
    /// `APP_TIMEZONE`: where a day begins.
    pub timezone: Tz,
    /// `ACCESS_TOKEN_TTL`.
    pub access_token_ttl: Duration,
    /// `REFRESH_TOKEN_TTL`.
    pub refresh_token_ttl: Duration,
    /// `REFRESH_TOKEN_ROTATION`.
    pub refresh_token_rotation: bool,
    /// `REFRESH_TOKEN_GRACE`: how long a spent refresh token is taken for a retry rather than a theft.
    pub refresh_token_grace: Duration,
    /// `REACTION_FLUSH_INTERVAL`.
    pub flush_interval: Duration,
    /// `REACTION_RECONCILE_INTERVAL`.
    pub reconcile_interval: Duration,
    /// `LIMIT_SIGN_IN_ACCOUNT`: failed sign-ins of one account from one address; from all together ten times as many.
    pub limit_sign_in_account: Rate,
    /// `LIMIT_SIGN_IN_ADDRESS`: failed sign-ins from one address.
    pub limit_sign_in_address: Rate,
    /// `LIMIT_SIGN_UP_ADDRESS`: sign-ups from one address.
    pub limit_sign_up_address: Rate,
    /// `LIMIT_CONNECTIONS_ADDRESS`: connections open at once from one address, trusted proxies aside.
    pub limit_connections_address: usize,
    /// `LIMIT_WRITES_USER`: requests of one user that change something.
    pub limit_writes_user: Rate,
    /// `TRUSTED_PROXIES`, whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// `CORS_ALLOWED_ORIGINS`.
    pub cors_allowed_origins: Vec<HeaderValue>,
}

impl Config {
    /// The settings in `environment`.
    ///
    /// # Errors
    /// The first that is missing or wrong.
    pub fn read(environment: &Environment) -> Result<Self, SettingError> {
        let second = Duration::from_secs(1);
        let tick = Duration::from_millis(10);
        let redis_url = environment.required("REDIS_URL")?;
        redis::Client::open(redis_url).map_err(|_| SettingError::new("REDIS_URL", "is not a redis:// URL"))?;
        Ok(Self {
            program: own_program(),
            web: built_web_app(),
            database: environment.database()?,
            redis_url: SecretString::from(redis_url),
            redis_prefix: environment.get("REDIS_PREFIX").unwrap_or_default().to_owned(),
            jwt_secret: Self::secret("JWT_SECRET", environment.required("JWT_SECRET")?)?,
            jwt_secret_previous: environment
                .get("JWT_SECRET_PREVIOUS")
                .map(|text| Self::secret("JWT_SECRET_PREVIOUS", text))
                .transpose()?,
            http_addr: environment.http_addr()?,
            public_url: environment.public_url()?,
            media_url: environment.media()?,
            timezone: environment.timezone()?,
            access_token_ttl: environment.duration("ACCESS_TOKEN_TTL", "15m", second)?,
            refresh_token_ttl: environment.duration("REFRESH_TOKEN_TTL", "14d", second)?,
            refresh_token_rotation: environment.parsed("REFRESH_TOKEN_ROTATION", "true", "true or false")?,
            refresh_token_grace: environment.duration("REFRESH_TOKEN_GRACE", "10s", Duration::ZERO)?,
            flush_interval: environment.duration("REACTION_FLUSH_INTERVAL", "1s", tick)?,
            reconcile_interval: environment.duration("REACTION_RECONCILE_INTERVAL", "30s", tick)?,
            limit_sign_in_account: environment.parsed("LIMIT_SIGN_IN_ACCOUNT", "10/5m", RATE)?,
            limit_sign_in_address: environment.parsed("LIMIT_SIGN_IN_ADDRESS", "100/5m", RATE)?,
            limit_sign_up_address: environment.parsed("LIMIT_SIGN_UP_ADDRESS", "100/1h", RATE)?,
            limit_connections_address: environment
                .parsed::<NonZeroUsize>("LIMIT_CONNECTIONS_ADDRESS", "512", "a number above 0")?
                .get(),
            limit_writes_user: environment.parsed("LIMIT_WRITES_USER", "600/1m", RATE)?,
            trusted_proxies: environment.networks()?,
            cors_allowed_origins: environment.origins()?,
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

    /// A Redis client for `REDIS_URL`, not yet connected.
    ///
    /// # Errors
    /// When the URL is none, which [`Config::read`] has ruled out.
    pub fn redis(&self) -> redis::RedisResult<redis::Client> {
        redis::Client::open(self.redis_url.expose_secret())
    }
}

/// This program, also after a newer one has taken its name.
fn own_program() -> PathBuf {
    let running = PathBuf::from("/proc/self/exe");
    if running.exists() { running } else { std::env::current_exe().unwrap_or_default() }
}

/// `web/dist` in the working folder, else beside this program.
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

    const SOUND: &[(&str, &str)] = &[
        ("DATABASE_URL", "postgres://u:p@localhost/snack"),
        ("REDIS_URL", "redis://localhost"),
        ("JWT_SECRET", "0123456789abcdef0123456789abcdef"),
    ];

    fn read(changes: &[(&str, &str)]) -> Result<Config, String> {
        let environment =
            SOUND.iter().chain(changes).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Config::read(&environment).map_err(|error| error.to_string())
    }

    #[test]
    fn the_defaults_are_the_documented_ones() {
        let config = read(&[]).expect("sound settings");
        assert_eq!(config.http_addr.to_string(), "0.0.0.0:8000");
        assert_eq!(config.public_url.as_str(), "http://localhost:8000/");
        assert_eq!(config.timezone, Tz::Asia__Seoul);
        assert_eq!(config.media_url.as_str(), "file:///var/lib/snack/media");
        assert_eq!(config.access_token_ttl, Duration::from_mins(15));
        assert_eq!(config.refresh_token_ttl, Duration::from_hours(14 * 24));
        assert_eq!(config.refresh_token_grace, Duration::from_secs(10));
        assert!(config.refresh_token_rotation);
        assert_eq!(config.flush_interval, Duration::from_secs(1));
        assert_eq!(config.reconcile_interval, Duration::from_secs(30));
        assert_eq!(config.limit_connections_address, 512);
        assert!(config.cors_allowed_origins.is_empty());
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
            ("REDIS_URL", ""),
            ("REDIS_URL", "http://localhost"),
            ("JWT_SECRET", ""),
            ("JWT_SECRET", "short"),
            ("JWT_SECRET", TEMPLATE_SECRETS[0]),
            ("JWT_SECRET_PREVIOUS", "short"),
            ("HTTP_ADDR", "8000"),
            ("PUBLIC_URL", "office.example"),
            ("PUBLIC_URL", "/snack"),
            ("PUBLIC_URL", "ftp://office.example"),
            ("PUBLIC_URL", "https:office.example"),
            ("PUBLIC_URL", "https://"),
            ("PUBLIC_URL", "https://office.example/?a=1"),
            ("PUBLIC_URL", "https://office.example/#part"),
            ("PUBLIC_URL", "https://user:secret@office.example"),
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
        ];
        for (variable, value) in table {
            let error = read(&[(variable, value)]).expect_err(value);
            assert!(error.starts_with(&format!("{variable}: ")), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn the_placeholder_of_the_compose_template_does_not_start() {
        let template = include_str!("../.env.docker-compose.template");
        let secret = template.lines().find_map(|line| line.strip_prefix("JWT_SECRET=")).expect("a JWT_SECRET");
        assert!(TEMPLATE_SECRETS.contains(&secret), "{secret}");
    }

    #[test]
    fn logs_are_json_unless_somebody_is_looking() {
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
