//! Tokens: HS256 JWTs, short-lived ones for access and long-lived ones for refresh.

use std::time::Duration;

use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    config::Config,
    error::{ApiError, Code},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenType {
    /// For the `Authorization` header.
    Access,
    /// For a new pair of tokens.
    Refresh,
    /// For the callback of the identity provider.
    #[serde(rename = "oidc_sign_in")]
    OidcSignIn,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    pub token_type: TokenType,
    pub user_id: i64,
    /// Session of an access token. None in tokens of former versions.
    #[serde(default, rename = "sid", skip_serializing_if = "Option::is_none")]
    pub session_id: Option<Uuid>,
    /// `token_generation` of the user when an access token was issued. Absent for users who have never left.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub generation: i32,
    /// Id of the token. The row of a refresh token has the same.
    pub jti: Uuid,
    /// Time of issue, in seconds since the epoch.
    pub iat: i64,
    /// Time of expiry, in seconds since the epoch.
    pub exp: i64,
}

/// Claims of a token that is for no session.
#[derive(Serialize, Deserialize)]
struct ContentClaims<T> {
    token_type: TokenType,
    content: T,
    iat: i64,
    exp: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(generation: &i32) -> bool {
    *generation == 0
}

/// Session that an access token is for.
#[derive(Clone, Copy, Debug)]
pub struct Session {
    pub id: Uuid,
    pub user_id: i64,
    pub token_generation: i32,
}

/// Pair of tokens.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"access": "eyJ0eXAi...", "refresh": "eyJ0eXAi..."}))]
pub struct Tokens {
    /// For the `Authorization: Bearer` header.
    pub access: String,
    /// For the next refresh. Absent if the one sent remains valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh: Option<String>,
}

/// Keys that sign and verify tokens.
pub struct TokenKeys {
    sign: EncodingKey,
    /// Current key and, during a rotation, the previous one.
    verify: Vec<DecodingKey>,
    validation: Validation,
    access_ttl: Duration,
}

impl TokenKeys {
    pub fn new(config: &Config) -> Self {
        let decoding = |secret: &SecretString| DecodingKey::from_secret(secret.expose_secret().as_bytes());
        let mut validation = Validation::new(Algorithm::HS256);
        // By default tokens are accepted for another minute.
        validation.leeway = 0;
        Self {
            sign: EncodingKey::from_secret(config.jwt_secret.expose_secret().as_bytes()),
            verify: std::iter::once(&config.jwt_secret).chain(&config.jwt_secret_previous).map(decoding).collect(),
            validation,
            access_ttl: config.access_token_ttl,
        }
    }

    /// # Errors
    /// Signing failed.
    pub fn access(&self, session: &Session) -> Result<String, ApiError> {
        let now = Utc::now();
        self.sign(&Claims {
            token_type: TokenType::Access,
            user_id: session.user_id,
            session_id: Some(session.id),
            generation: session.token_generation,
            jti: Uuid::new_v4(),
            iat: now.timestamp(),
            exp: (now + self.access_ttl).timestamp(),
        })
    }

    /// # Errors
    /// Signing failed.
    pub fn refresh(&self, user_id: i64, jti: Uuid, expires_at: DateTime<Utc>) -> Result<String, ApiError> {
        self.sign(&Claims {
            token_type: TokenType::Refresh,
            user_id,
            session_id: None,
            generation: 0,
            jti,
            iat: Utc::now().timestamp(),
            exp: expires_at.timestamp(),
        })
    }

    /// Token with any content, which is signed and can be read by its holder.
    ///
    /// # Errors
    /// Signing failed.
    pub fn seal<T: Serialize>(&self, token_type: TokenType, content: T, ttl: Duration) -> Result<String, ApiError> {
        let now = Utc::now();
        self.sign(&ContentClaims { token_type, content, iat: now.timestamp(), exp: (now + ttl).timestamp() })
    }

    /// Content of a token that [`Self::seal`] has made.
    ///
    /// # Errors
    /// `invalid_token` for a wrong signature or type and for an expired token.
    pub fn unseal<T: DeserializeOwned>(&self, token: &str, token_type: TokenType) -> Result<T, ApiError> {
        self.read::<ContentClaims<T>>(token)
            .filter(|claims| claims.token_type == token_type && claims.exp > Utc::now().timestamp())
            .map(|claims| claims.content)
            .ok_or_else(|| Code::InvalidToken.into())
    }

    fn sign(&self, claims: &impl Serialize) -> Result<String, ApiError> {
        encode(&Header::new(Algorithm::HS256), claims, &self.sign).map_err(ApiError::internal)
    }

    /// Claims of `token`.
    ///
    /// # Errors
    /// `invalid_token` for a wrong signature or type and for an expired token.
    pub fn verify(&self, token: &str, token_type: TokenType) -> Result<Claims, ApiError> {
        self.read::<Claims>(token)
            // `exp` is the first second in which the token is invalid, but the library accepts it then.
            .filter(|claims| claims.token_type == token_type && claims.exp > Utc::now().timestamp())
            .ok_or_else(|| Code::InvalidToken.into())
    }

    fn read<T: DeserializeOwned>(&self, token: &str) -> Option<T> {
        self.verify.iter().find_map(|key| decode::<T>(token, key, &self.validation).ok()).map(|token| token.claims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn keys(secret: &str) -> TokenKeys {
        let variables = [
            ("DATABASE_URL", "postgres://snack@127.0.0.1/snack"),
            ("REDIS_URL", "redis://127.0.0.1"),
            ("JWT_SECRET", secret),
        ];
        let environment = variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        TokenKeys::new(&Config::read(&environment).expect("sound settings"))
    }

    fn ours() -> TokenKeys {
        keys("the key of these tests, 32 bytes or more")
    }

    fn session(user_id: i64) -> Session {
        Session { id: Uuid::new_v4(), user_id, token_generation: 0 }
    }

    fn is_good(keys: &TokenKeys, token: &str) -> bool {
        let kinds = [TokenType::Access, TokenType::Refresh, TokenType::OidcSignIn];
        kinds.into_iter().any(|kind| keys.verify(token, kind).is_ok() || keys.unseal::<Value>(token, kind).is_ok())
    }

    proptest! {
        #[test]
        fn a_token_is_good_for_its_user_and_its_kind_under_its_key_alone(user: i64) {
            let (keys, other) = (ours(), keys("another key of these tests, 32 bytes or more"));
            let access = keys.access(&session(user))?;
            prop_assert_eq!(keys.verify(&access, TokenType::Access).map(|claims| claims.user_id).ok(), Some(user));
            prop_assert!(keys.verify(&access, TokenType::Refresh).is_err());
            let refresh = keys.refresh(user, Uuid::new_v4(), Utc::now() + Duration::from_mins(1))?;
            prop_assert_eq!(keys.verify(&refresh, TokenType::Refresh).map(|claims| claims.user_id).ok(), Some(user));
            prop_assert!(keys.verify(&refresh, TokenType::Access).is_err());
            let sealed = keys.seal(TokenType::OidcSignIn, user, Duration::from_mins(1))?;
            prop_assert_eq!(keys.unseal(&sealed, TokenType::OidcSignIn).ok(), Some(user));
            for kind in [TokenType::Access, TokenType::Refresh] {
                prop_assert!(keys.verify(&sealed, kind).is_err() && keys.unseal::<Value>(&sealed, kind).is_err());
            }
            for token in [&access, &refresh] {
                prop_assert!(keys.unseal::<Value>(token, TokenType::OidcSignIn).is_err());
            }
            prop_assert!([access, refresh, sealed].iter().all(|token| !is_good(&other, token)));
        }

        /// Even if the content has the claims of another kind.
        #[test]
        fn content_does_not_make_a_token_of_another_kind(user: i64, refresh: bool) {
            let keys = ours();
            let token_type = if refresh { TokenType::Refresh } else { TokenType::Access };
            let now = Utc::now().timestamp();
            let claims = Claims {
                token_type, user_id: user, session_id: None, generation: 0, jti: Uuid::new_v4(), iat: now, exp: now + 60,
            };
            let sealed = keys.seal(TokenType::OidcSignIn, claims, Duration::from_mins(1))?;
            prop_assert!(keys.verify(&sealed, token_type).is_err());
            let expired = keys.seal(TokenType::OidcSignIn, user, Duration::ZERO)?;
            prop_assert!(!is_good(&keys, &expired));
        }

        #[test]
        fn no_text_is_a_token(text: String, dotted in "[A-Za-z0-9_=-]{0,40}(\\.[A-Za-z0-9_=-]{0,40}){0,4}") {
            prop_assert!(!is_good(&ours(), &text));
            prop_assert!(!is_good(&ours(), &dotted));
        }

        #[test]
        fn a_token_with_another_character_is_none(at: prop::sample::Index, c in "[A-Za-z0-9_.=-]|.") {
            let keys = ours();
            let whole = keys.access(&session(7))?;
            let at = at.index(whole.len());
            let changed = format!("{}{c}{}", &whole[..at], &whole[at + 1..]);
            prop_assert_eq!(is_good(&keys, &changed), changed == whole, "{}", changed);
            let longer = format!("{}{c}{}", &whole[..at], &whole[at..]);
            prop_assert!(!is_good(&keys, &longer), "{}", longer);
            prop_assert!(!is_good(&keys, &whole[..at]) && !is_good(&keys, &whole[at + 1..]));
        }

        #[test]
        fn parts_of_two_tokens_make_none(users: [i64; 2], expired_for in 0_i64..100_000) {
            let keys = ours();
            let [one, two] = [keys.access(&session(users[0]))?, keys.access(&session(users[1]))?];
            let (signed, _) = one.rsplit_once('.').ok_or_else(|| TestCaseError::fail("no signature"))?;
            let (_, signature) = two.rsplit_once('.').ok_or_else(|| TestCaseError::fail("no signature"))?;
            // Their names differ even where the users are the same.
            let spliced = format!("{signed}.{signature}");
            prop_assert!(!is_good(&keys, &spliced));
            let expires = Utc::now() - chrono::TimeDelta::seconds(expired_for);
            prop_assert!(!is_good(&keys, &keys.refresh(users[0], Uuid::new_v4(), expires)?));
        }
    }
}
