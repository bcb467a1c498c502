//! The identity provider: its metadata, the URL of its sign-in page, and the exchange of a code for the identity of a user.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use openidconnect::{
    AccessToken, AccessTokenHash, AdditionalClaims, AuthType, AuthorizationCode, ClaimsVerificationError, ClientId,
    ClientSecret, CsrfToken, DiscoveryError, EmptyExtraTokenFields, EndUserName, EndpointMaybeSet, EndpointNotSet,
    EndpointSet, IdTokenFields, IssuerUrl, LocalizedClaim, Nonce, OAuth2TokenResponse, PkceCodeChallenge,
    PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope, SignatureVerificationError, StandardErrorResponse,
    StandardTokenResponse, SubjectIdentifier, TokenResponse, UserInfoError,
    core::{
        CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreClientAuthMethod, CoreErrorResponseType,
        CoreGenderClaim, CoreIdTokenVerifier, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm,
        CoreJwsSigningAlgorithm, CoreProviderMetadata, CoreRevocableToken, CoreRevocationErrorResponse,
        CoreTokenIntrospectionResponse, CoreTokenType, CoreUserInfoClaims,
    },
};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::{sync::Mutex, time::timeout};
use url::Url;

use super::{
    cookie::Flow,
    http_client::{HttpClient, HttpError},
};
use crate::{
    config::{OidcConfig, Rate, SettingError},
    error::{StartError, chain},
    http::rate_limiter::RateLimiter,
};

/// Time limit for the metadata and the keys. A sign-in says within 3 seconds that the provider is down.
const DISCOVERY_TIMEOUT: Duration = Duration::from_millis(2500);
/// Time limit for the exchange of a code, with everything that it needs.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(8);
/// Age at which the metadata and the keys are fetched again. Short, so that users are not led to a provider that is down.
const MAX_AGE: Duration = Duration::from_mins(1);
/// Additional fetches because an ID token names an unknown key.
const KEY_FETCHES: Rate = Rate { count: 5, period: Duration::from_mins(1) };
/// Signatures that are accepted. Those with a shared secret are not: whoever knows the secret could sign in as anybody.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// Claims that the standard does not have.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct EntraClaims {
    /// Entra says with this claim that the directory owns the domain of the email. It has no `email_verified`.
    #[serde(default)]
    xms_edov: Value,
}

impl AdditionalClaims for EntraClaims {}

impl EntraClaims {
    /// Entra writes it as a boolean, a number or text.
    fn is_domain_owned(&self) -> bool {
        match &self.xms_edov {
            Value::Bool(is_owned) => *is_owned,
            Value::Number(number) => number.as_i64() == Some(1),
            Value::String(text) => text == "1" || text.eq_ignore_ascii_case("true"),
            _ => false,
        }
    }
}

type IdToken =
    openidconnect::IdToken<EntraClaims, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>;
type IdTokenClaims = openidconnect::IdTokenClaims<EntraClaims, CoreGenderClaim>;
type Tokens = StandardTokenResponse<
    IdTokenFields<
        EntraClaims,
        EmptyExtraTokenFields,
        CoreGenderClaim,
        CoreJweContentEncryptionAlgorithm,
        CoreJwsSigningAlgorithm,
    >,
    CoreTokenType,
>;
type TokenError = StandardErrorResponse<CoreErrorResponseType>;
/// The library's `CoreClient` with the claims of Entra.
type Client = openidconnect::Client<
    EntraClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    TokenError,
    Tokens,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// Error of the identity provider. Its text is for the log, and has no secrets, codes or tokens.
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    /// It is down or too slow.
    #[error("identity provider unavailable: {0}")]
    Unavailable(String),
    /// It responded, but not as it should.
    #[error("sign-in through the identity provider failed: {0}")]
    Failed(String),
}

impl OidcError {
    #[expect(clippy::needless_pass_by_value, reason = "`map_err` passes a value")]
    fn failed(problem: impl ToString) -> Self {
        Self::Failed(problem.to_string())
    }

    fn timeout<E>(_: E) -> Self {
        Self::Unavailable("it did not respond in time".to_owned())
    }
}

impl From<HttpError> for OidcError {
    fn from(error: HttpError) -> Self {
        Self::Unavailable(chain(&error).to_string())
    }
}

impl From<ClaimsVerificationError> for OidcError {
    fn from(error: ClaimsVerificationError) -> Self {
        Self::Failed(format!("ID token: {}", chain(&error)))
    }
}

/// User as the identity provider describes them.
#[derive(Debug)]
pub struct Identity {
    pub email: Option<String>,
    pub is_email_verified: bool,
    /// Names of the user, the best first.
    pub names: Vec<String>,
}

struct Discovery {
    metadata: CoreProviderMetadata,
    /// Beginning of the fetch.
    fetched_at: Instant,
}

pub struct Provider {
    http: HttpClient,
    issuer: IssuerUrl,
    client_id: ClientId,
    client_secret: ClientSecret,
    redirect_url: RedirectUrl,
    /// Locked during a fetch, so that requests at once share it.
    discovery: Mutex<Option<Arc<Discovery>>>,
    key_fetches: RateLimiter<()>,
}

impl Provider {
    /// Connects to nothing.
    ///
    /// # Errors
    /// A URL is invalid, or the HTTP client cannot be set up.
    pub fn new(config: &OidcConfig, redirect_url: String) -> Result<Self, StartError> {
        let invalid_issuer = |error| SettingError::new("OIDC_ISSUER", error);
        Ok(Self {
            http: HttpClient::new()?,
            issuer: IssuerUrl::new(config.issuer.clone()).map_err(invalid_issuer)?,
            client_id: ClientId::new(config.client_id.clone()),
            client_secret: ClientSecret::new(config.client_secret.expose_secret().to_owned()),
            redirect_url: RedirectUrl::new(redirect_url).map_err(|error| SettingError::new("PUBLIC_URL", error))?,
            discovery: Mutex::new(None),
            key_fetches: RateLimiter::new(KEY_FETCHES),
        })
    }

    pub fn issuer(&self) -> &str {
        self.issuer.as_str()
    }

    /// URL of the provider's sign-in page, and what the callback has to be checked with.
    ///
    /// # Errors
    /// The provider is unavailable.
    pub async fn start(&self, next: Option<String>) -> Result<(Url, Flow), OidcError> {
        let client = self.client(&*self.discovery(None).await?);
        let (challenge, pkce_verifier) = PkceCodeChallenge::new_random_sha256();
        let (url, state, nonce) = client
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
            .add_scope(Scope::new("email".to_owned()))
            .add_scope(Scope::new("profile".to_owned()))
            .set_pkce_challenge(challenge)
            .url();
        Ok((url, Flow { state, nonce, pkce_verifier, next }))
    }

    /// Exchanges the code of a callback for the identity of the user.
    pub async fn identity(
        &self,
        code: String,
        pkce_verifier: PkceCodeVerifier,
        nonce: &Nonce,
    ) -> Result<Identity, OidcError> {
        timeout(EXCHANGE_TIMEOUT, self.exchange(code, pkce_verifier, nonce)).await.map_err(OidcError::timeout)?
    }

    async fn exchange(
        &self,
        code: String,
        pkce_verifier: PkceCodeVerifier,
        nonce: &Nonce,
    ) -> Result<Identity, OidcError> {
        let mut client = self.client(&*self.discovery(None).await?);
        let tokens = client
            .exchange_code(AuthorizationCode::new(code))
            .map_err(OidcError::failed)?
            .set_pkce_verifier(pkce_verifier)
            .request_async(&self.http)
            .await
            .map_err(token_error)?;
        let id_token = tokens.id_token().ok_or_else(|| OidcError::failed("the provider sent no ID token"))?;
        let is_of_unknown_key = matches!(
            id_token.claims(&verifier(&client), nonce),
            Err(ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey))
        );
        if is_of_unknown_key && let Ok(permit) = self.key_fetches.acquire(()) {
            permit.spend();
            client = self.client(&*self.discovery(Some(Instant::now())).await?);
        }
        let access_token = tokens.access_token();
        let claims = self.verified_claims(&client, id_token, nonce, access_token)?;
        let is_domain_owned = claims.additional_claims().is_domain_owned();
        let mut identity = Identity {
            email: claims.email().map(|email| email.to_string()),
            is_email_verified: claims.email_verified().unwrap_or(is_domain_owned),
            names: names(claims.name(), claims.preferred_username().map(|name| name.as_str())),
        };
        // Providers may keep the claims of the scopes for the userinfo endpoint.
        if claims.email().is_none() || (claims.email_verified().is_none() && !is_domain_owned) {
            self.add_user_info(&client, access_token, claims.subject().clone(), &mut identity).await?;
        }
        Ok(identity)
    }

    /// Claims of the ID token, if it is genuine, for this client, for this sign-in and for this access token.
    fn verified_claims<'t>(
        &self,
        client: &Client,
        id_token: &'t IdToken,
        nonce: &Nonce,
        access_token: &AccessToken,
    ) -> Result<&'t IdTokenClaims, OidcError> {
        let verifier = verifier(client);
        let claims = id_token.claims(&verifier, nonce)?;
        // The library leaves this claim to its callers.
        if claims.authorized_party().is_some_and(|party| *party != self.client_id) {
            return Err(OidcError::failed("ID token: issued to another client"));
        }
        if let Some(expected) = claims.access_token_hash() {
            let algorithm = id_token.signing_alg().map_err(OidcError::failed)?;
            let key = id_token.signing_key(&verifier).map_err(OidcError::failed)?;
            if AccessTokenHash::from_token(access_token, algorithm, key).map_err(OidcError::failed)? != *expected {
                return Err(OidcError::failed("ID token: issued with another access token"));
            }
        }
        Ok(claims)
    }

    /// Completes the identity with the claims of the userinfo endpoint, if there is one.
    async fn add_user_info(
        &self,
        client: &Client,
        access_token: &AccessToken,
        subject: SubjectIdentifier,
        identity: &mut Identity,
    ) -> Result<(), OidcError> {
        // The library panics at a token that is no header.
        if !access_token.secret().bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(OidcError::failed("the access token has characters that it must not have"));
        }
        let Ok(request) = client.user_info(access_token.clone(), Some(subject)) else {
            return Ok(());
        };
        let claims: CoreUserInfoClaims = request.request_async(&self.http).await.map_err(user_info_error)?;
        if let Some(email) = claims.email() {
            identity.email = Some(email.to_string());
            identity.is_email_verified = claims.email_verified() == Some(true);
        }
        identity.names.extend(names(claims.name(), claims.preferred_username().map(|name| name.as_str())));
        Ok(())
    }

    fn client(&self, discovery: &Discovery) -> Client {
        let metadata = discovery.metadata.clone();
        let methods = metadata.token_endpoint_auth_methods_supported();
        // Basic authentication is the default of the standard.
        let in_body = methods.is_some_and(|methods| {
            methods.contains(&CoreClientAuthMethod::ClientSecretPost)
                && !methods.contains(&CoreClientAuthMethod::ClientSecretBasic)
        });
        let auth_type = if in_body { AuthType::RequestBody } else { AuthType::BasicAuth };
        Client::from_provider_metadata(metadata, self.client_id.clone(), Some(self.client_secret.clone()))
            .set_auth_type(auth_type)
            .set_redirect_uri(self.redirect_url.clone())
    }

    /// Metadata and keys that are not older than [`MAX_AGE`] and, if given, not older than `since`.
    async fn discovery(&self, since: Option<Instant>) -> Result<Arc<Discovery>, OidcError> {
        let is_recent = |discovery: &&Arc<Discovery>| {
            discovery.fetched_at.elapsed() < MAX_AGE && since.is_none_or(|since| discovery.fetched_at >= since)
        };
        timeout(DISCOVERY_TIMEOUT, async {
            let mut cached = self.discovery.lock().await;
            if let Some(discovery) = cached.as_ref().filter(is_recent) {
                return Ok(Arc::clone(discovery));
            }
            let fetched_at = Instant::now();
            let metadata =
                CoreProviderMetadata::discover_async(self.issuer.clone(), &self.http).await.map_err(discovery_error)?;
            let discovery = Arc::new(Discovery { metadata, fetched_at });
            *cached = Some(Arc::clone(&discovery));
            Ok(discovery)
        })
        .await
        .map_err(OidcError::timeout)?
    }
}

fn verifier(client: &Client) -> CoreIdTokenVerifier<'_> {
    client.id_token_verifier().set_allowed_algs(ALGORITHMS)
}

fn names(name: Option<&LocalizedClaim<EndUserName>>, username: Option<&str>) -> Vec<String> {
    let name = name.and_then(|name| name.get(None).or_else(|| name.iter().next().map(|(_, name)| name)));
    name.map(|name| name.as_str()).into_iter().chain(username).map(str::to_owned).collect()
}

/// Errors of parsers are not repeated, because they may quote the response.
const UNREADABLE: &str = "the response cannot be read";

fn discovery_error(error: DiscoveryError<HttpError>) -> OidcError {
    OidcError::Unavailable(match error {
        DiscoveryError::Request(error) => return error.into(),
        DiscoveryError::Response(status, _, _) => format!("discovery: the response has the status {status}"),
        DiscoveryError::Parse(_) => format!("discovery: {UNREADABLE}"),
        other => format!("discovery: {}", chain(&other)),
    })
}

fn token_error(error: RequestTokenError<HttpError, TokenError>) -> OidcError {
    match error {
        RequestTokenError::Request(error) => error.into(),
        RequestTokenError::ServerResponse(response) => {
            OidcError::failed(format_args!("the token endpoint responded with {}", response.error()))
        }
        RequestTokenError::Parse(..) => OidcError::failed(format_args!("token endpoint: {UNREADABLE}")),
        RequestTokenError::Other(problem) => OidcError::failed(format_args!("token endpoint: {problem}")),
    }
}

fn user_info_error(error: UserInfoError<HttpError>) -> OidcError {
    match error {
        UserInfoError::Request(error) => error.into(),
        UserInfoError::ClaimsVerification(error) => OidcError::failed(format_args!("userinfo: {}", chain(&error))),
        UserInfoError::Response(status, ..) => OidcError::failed(format_args!("userinfo: the status is {status}")),
        _ => OidcError::failed(format_args!("userinfo: {UNREADABLE}")),
    }
}
