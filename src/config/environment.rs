//! The only reader of environment variables. clap's `env` cannot replace it: its errors name the option and have several lines, and
//! the tests start many servers with different settings in one process.

use std::{
    collections::HashMap,
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
    time::Duration,
};

use axum::http::HeaderValue;
use chrono_tz::Tz;
use ipnet::IpNet;
use lettre::{AsyncSmtpTransport, Tokio1Executor, message::Mailbox};
use secrecy::SecretString;
use serde::Serialize;
use sqlx::postgres::PgConnectOptions;
use tracing_subscriber::EnvFilter;
use url::{Host, Url};
use utoipa::ToSchema;

/// Default of `PUBLIC_URL`.
pub const DEFAULT_PUBLIC_URL: &str = "http://localhost:8000";

/// Settings of mail.
#[derive(Clone, Debug)]
pub struct MailConfig {
    /// `SMTP_URL`. Secret, because it may have a password.
    pub smtp_url: SecretString,
    /// `MAIL_FROM`.
    pub from: Mailbox,
}

/// Policy of sign-up without an invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SignUpMode {
    /// Everybody whose email has an allowed domain.
    Open,
    /// Nobody.
    Invited,
}

/// Settings of the identity provider.
#[derive(Clone, Debug)]
pub struct OidcConfig {
    /// `OIDC_ISSUER` as it is in the settings. Providers differ in whether theirs ends in a slash, and ID tokens repeat it exactly.
    pub issuer: String,
    /// `OIDC_CLIENT_ID`.
    pub client_id: String,
    /// `OIDC_CLIENT_SECRET`.
    pub client_secret: SecretString,
    /// `OIDC_NAME`: its name on the sign-in page.
    pub name: String,
}

/// Settings of S3 by the names of their variables. Secret, because some are.
#[derive(Clone, Debug, Default)]
pub struct AwsSettings(pub Vec<(String, SecretString)>);

/// Missing or invalid setting. Printed on one line that starts with the name of the variable.
#[derive(Debug, PartialEq, Eq)]
pub struct SettingError {
    variable: &'static str,
    problem: String,
}

impl SettingError {
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

pub struct Log {
    pub filter: EnvFilter,
    pub format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// For machines: one JSON object a line.
    Json,
}

/// Environment variables of the process, or of a test.
pub struct Environment(HashMap<String, String>);

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self(variables.into_iter().collect())
    }
}

impl Environment {
    /// Variables of the process. Those that are not UTF-8 count as absent.
    pub fn of_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// Value of a variable. An empty one counts as absent.
    pub(super) fn get(&self, variable: &str) -> Option<&str> {
        self.0.get(variable).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub(super) fn required(&self, variable: &'static str) -> Result<&str, SettingError> {
        self.get(variable).ok_or_else(|| SettingError::new(variable, "is required and not set"))
    }

    pub(super) fn parsed<T: FromStr>(
        &self,
        variable: &'static str,
        default: &str,
        what: &str,
    ) -> Result<T, SettingError> {
        let text = self.get(variable).unwrap_or(default);
        text.parse().map_err(|_| SettingError::new(variable, format_args!("{text:?} is not {what}")))
    }

    pub(super) fn duration(
        &self,
        variable: &'static str,
        default: &str,
        least: Duration,
    ) -> Result<Duration, SettingError> {
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
    /// It is missing or no Postgres URL.
    pub fn database(&self) -> Result<PgConnectOptions, SettingError> {
        postgres_url("DATABASE_URL", self.required("DATABASE_URL")?)
    }

    /// `DATABASE_DIRECT_URL`, by default `DATABASE_URL`.
    ///
    /// # Errors
    /// It is no Postgres URL.
    pub fn database_direct(&self) -> Result<PgConnectOptions, SettingError> {
        match self.get("DATABASE_DIRECT_URL") {
            Some(text) => postgres_url("DATABASE_DIRECT_URL", text),
            None => self.database(),
        }
    }

    /// `MEDIA_URL`.
    ///
    /// # Errors
    /// It is no `file://` or `s3://` URL.
    pub fn media(&self) -> Result<Url, SettingError> {
        let url: Url = self.parsed("MEDIA_URL", "file:///var/lib/snack/media", "a URL")?;
        match url.scheme() {
            "file" if url.to_file_path().is_ok() => Ok(url),
            "s3" if url.host_str().is_some() => Ok(url),
            _ => Err(SettingError::new("MEDIA_URL", "must be file:///folder or s3://bucket/prefix")),
        }
    }

    /// The `AWS_` variables, for `s3://`. Empty ones count as absent.
    pub fn aws(&self) -> AwsSettings {
        let set = self.0.iter().filter(|(name, value)| {
            name.strip_prefix("AWS").is_some_and(|rest| rest.starts_with('_')) && !value.is_empty()
        });
        AwsSettings(set.map(|(name, value)| (name.clone(), SecretString::from(value.as_str()))).collect())
    }

    /// `APP_TIMEZONE`.
    ///
    /// # Errors
    /// It is no IANA name.
    pub fn timezone(&self) -> Result<Tz, SettingError> {
        self.parsed("APP_TIMEZONE", "Asia/Seoul", "an IANA time zone such as Asia/Seoul")
    }

    /// `HTTP_ADDR`.
    ///
    /// # Errors
    /// It is no address with a port.
    pub fn http_addr(&self) -> Result<SocketAddr, SettingError> {
        self.parsed("HTTP_ADDR", "0.0.0.0:8000", "an address and a port such as 0.0.0.0:8000")
    }

    /// `METRICS_ADDR`. None if the metrics are at `HTTP_ADDR`.
    pub(super) fn metrics_addr(&self) -> Result<Option<SocketAddr>, SettingError> {
        if self.get("METRICS_ADDR").is_none() {
            return Ok(None);
        }
        self.parsed("METRICS_ADDR", "", "an address and a port such as 127.0.0.1:9090").map(Some)
    }

    /// `OTEL_EXPORTER_OTLP_ENDPOINT`. None without traces.
    ///
    /// # Errors
    /// It is no http:// or https:// URL.
    pub fn otlp_endpoint(&self) -> Result<Option<Url>, SettingError> {
        let Some(text) = self.get("OTEL_EXPORTER_OTLP_ENDPOINT") else { return Ok(None) };
        // Without the value, which may have a password.
        let problem = "must be an absolute http:// or https:// URL such as http://collector:4318";
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        url.map(Some).ok_or_else(|| SettingError::new("OTEL_EXPORTER_OTLP_ENDPOINT", problem))
    }

    /// `PUBLIC_URL`.
    ///
    /// # Errors
    /// The setting is invalid.
    pub fn public_url(&self) -> Result<Url, SettingError> {
        let text = self.get("PUBLIC_URL").unwrap_or(DEFAULT_PUBLIC_URL);
        // Without the value, which may have a password.
        let problem = "must be an absolute http:// or https:// URL without user, query, fragment and double slashes, \
                       such as https://office.example/snack";
        // `Location: //orders/…` would lead to the host `orders`.
        let url = absolute_url(text).filter(|url| !path_prefix(url).contains("//"));
        url.ok_or_else(|| SettingError::new("PUBLIC_URL", problem))
    }

    /// `SMTP_URL` and `MAIL_FROM`. None without both.
    pub(super) fn mail(&self) -> Result<Option<MailConfig>, SettingError> {
        let (url, from) = match (self.get("SMTP_URL"), self.get("MAIL_FROM")) {
            (None, None) => return Ok(None),
            (None, Some(_)) => return Err(SettingError::new("SMTP_URL", "is required with MAIL_FROM")),
            (Some(_), None) => return Err(SettingError::new("MAIL_FROM", "is required with SMTP_URL")),
            (Some(url), Some(from)) => (url, from),
        };
        // Without the value and the error, which may have the password.
        let problem = "must be a URL such as smtp://user:password@host:587?tls=required or smtps://user:password@host";
        AsyncSmtpTransport::<Tokio1Executor>::from_url(url).map_err(|_| SettingError::new("SMTP_URL", problem))?;
        let from = from.parse().map_err(|_| {
            SettingError::new(
                "MAIL_FROM",
                format_args!("{from:?} is not a mailbox such as Snack <snack@office.example>"),
            )
        })?;
        Ok(Some(MailConfig { smtp_url: SecretString::from(url), from }))
    }

    /// `SIGN_UP`.
    pub(super) fn sign_up(&self) -> Result<SignUpMode, SettingError> {
        match self.get("SIGN_UP") {
            None | Some("open") => Ok(SignUpMode::Open),
            Some("invited") => Ok(SignUpMode::Invited),
            Some(other) => Err(SettingError::new("SIGN_UP", format_args!("{other:?} is neither open nor invited"))),
        }
    }

    /// `SIGN_UP_EMAIL_DOMAINS` in the form in which emails are stored.
    pub(super) fn sign_up_email_domains(&self) -> Result<Vec<String>, SettingError> {
        let list = self.get("SIGN_UP_EMAIL_DOMAINS").unwrap_or_default();
        list.split(',')
            .map(str::trim)
            .filter(|domain| !domain.is_empty())
            .map(|domain| {
                if let Ok(Host::Domain(stored)) = Host::parse(domain) {
                    Ok(stored)
                } else {
                    let problem = format!("{domain:?} is not a domain such as office.example");
                    Err(SettingError::new("SIGN_UP_EMAIL_DOMAINS", problem))
                }
            })
            .collect()
    }

    /// `OIDC_ISSUER`, `OIDC_CLIENT_ID`, `OIDC_CLIENT_SECRET` and `OIDC_NAME`. None without any.
    pub(super) fn oidc(&self) -> Result<Option<OidcConfig>, SettingError> {
        const VARIABLES: [&str; 4] = ["OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET", "OIDC_NAME"];
        if VARIABLES.iter().all(|variable| self.get(variable).is_none()) {
            return Ok(None);
        }
        let required = |variable: &'static str| {
            let problem = "is required with the other OIDC settings";
            self.get(variable).ok_or_else(|| SettingError::new(variable, problem))
        };
        let [issuer, client_id, client_secret, name] = VARIABLES.map(required);
        let problem = "must be an absolute http:// or https:// URL without user, query and fragment";
        let issuer = issuer?;
        absolute_url(issuer).ok_or_else(|| SettingError::new("OIDC_ISSUER", problem))?;
        Ok(Some(OidcConfig {
            issuer: issuer.to_owned(),
            client_id: client_id?.to_owned(),
            client_secret: SecretString::from(client_secret?),
            name: name?.to_owned(),
        }))
    }

    /// `ADMIN_EMAIL`.
    pub(super) fn admin_email(&self) -> Result<Option<String>, SettingError> {
        match self.get("ADMIN_EMAIL") {
            Some(email) if !email.contains('@') => {
                Err(SettingError::new("ADMIN_EMAIL", format_args!("{email:?} is not an email")))
            }
            email => Ok(email.map(str::to_owned)),
        }
    }

    /// `SNACK_ADMIN_PASSWORD`, for `create-admin` and for the first admin.
    pub fn admin_password(&self) -> Option<SecretString> {
        self.get("SNACK_ADMIN_PASSWORD").map(SecretString::from)
    }

    /// `RUST_LOG` and `LOG_FORMAT`. The default format depends on whether the log goes to a terminal.
    ///
    /// # Errors
    /// The filter or the format is invalid.
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

    pub(super) fn networks(&self) -> Result<Vec<IpNet>, SettingError> {
        let list = self.get("TRUSTED_PROXIES").unwrap_or_default();
        // A single address is a network too.
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

    pub(super) fn origins(&self) -> Result<Vec<HeaderValue>, SettingError> {
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

fn postgres_url(variable: &'static str, text: &str) -> Result<PgConnectOptions, SettingError> {
    let url = Url::parse(text).map_err(|error| SettingError::new(variable, format_args!("is not a URL: {error}")))?;
    if !matches!(url.scheme(), "postgres" | "postgresql") {
        return Err(SettingError::new(variable, "must begin with postgres://"));
    }
    PgConnectOptions::from_str(text).map_err(|error| SettingError::new(variable, error))
}

/// Path of `PUBLIC_URL` that a proxy strips from requests: `/snack`, or empty. Without a slash at the end.
pub fn path_prefix(public_url: &Url) -> &str {
    public_url.path().trim_end_matches('/')
}

/// URL with a host and a path and nothing else.
fn absolute_url(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            // The parser also accepts `http:host`.
            && text.contains("://")
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    })
}
