//! Fixtures of the rounds: users, snacks and tokens, inserted past the server.

use std::collections::HashMap;

use chrono::{DateTime, Duration, Utc};
use snack_server::{
    auth::token::{Session, TokenKeys, TokenType},
    config::{Config, Environment},
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::stack::Stack;

/// Members, who react, order and refresh tokens.
const MEMBERS: i64 = 24;
/// Admins, who move orders and promote and demote each other.
const ADMINS: i64 = 4;
/// Snacks that all members react to.
const SHARED: i64 = 6;
/// Snacks that all members order.
const MENU: i64 = 8;
/// Sessions of each member at the start of a round.
const SESSIONS: usize = 3;

/// A user with an access token.
#[derive(Clone, Debug)]
pub struct TestUser {
    pub id: i64,
    pub access: String,
}

#[derive(Clone, Debug)]
pub struct Snack {
    pub id: i64,
    pub uid: Uuid,
}

/// A session with its first refresh token.
#[derive(Clone, Debug)]
pub struct NewSession {
    pub id: Uuid,
    pub jti: Uuid,
    pub token: String,
}

/// An order as the admins know it.
#[derive(Clone, Debug)]
pub struct OpenOrder {
    pub uid: Uuid,
    pub status: String,
}

/// All fixtures.
pub struct Fixtures {
    pub members: Vec<TestUser>,
    pub admins: Vec<TestUser>,
    /// All members react to these.
    pub shared: Vec<Snack>,
    /// Each member reacts to one of these alone, so that the counts of each response are known exactly.
    pub own: Vec<Snack>,
    /// All members order these.
    pub menu: Vec<Snack>,
    keys: TokenKeys,
}

/// The rows at the start of a round.
#[derive(Default)]
pub struct Baseline {
    /// By snack and user.
    pub reactions: HashMap<(i64, i64), String>,
    pub open_orders: Vec<OpenOrder>,
    pub last_order: i64,
    pub last_step: i64,
    pub last_audit: i64,
}

impl Fixtures {
    /// Fills the migrated database.
    pub async fn prepare(stack: &Stack) -> Self {
        let environment: Environment = stack.settings().into_iter().collect();
        let keys = TokenKeys::new(&Config::read(&environment).expect("sound settings"));
        let mut db = stack.connect().await;
        // No password is used here.
        let people: Vec<(i64, bool)> = sqlx::query_as(
            "INSERT INTO users (email, email_key, name, name_key, password_hash, member_type)
             SELECT n || '@faults.example', n || '@faults.example', 'person ' || n, 'person ' || n, '',
                 CASE WHEN n <= $2 THEN 'admin' ELSE 'member' END::member_type
             FROM generate_series(1, $1 + $2) AS n ORDER BY n RETURNING id, member_type = 'admin'",
        )
        .bind(MEMBERS)
        .bind(ADMINS)
        .fetch_all(&mut db)
        .await
        .expect("users");
        let snacks: Vec<(i64, Uuid)> = sqlx::query_as(
            "INSERT INTO snacks (name, name_key, price) SELECT 'snack ' || n, 'snack ' || n, 1500
             FROM generate_series(1, $1) AS n ORDER BY n RETURNING id, uid",
        )
        .bind(SHARED + MEMBERS + MENU)
        .fetch_all(&mut db)
        .await
        .expect("snacks");
        let user = |id| TestUser { id, access: access_token(&keys, id) };
        let (admins, members): (Vec<_>, Vec<_>) = people.into_iter().partition(|(_, is_admin)| *is_admin);
        let mut snacks = snacks.into_iter().map(|(id, uid)| Snack { id, uid });
        let mut take = |count: i64| snacks.by_ref().take(usize::try_from(count).unwrap_or_default()).collect();
        Self {
            members: members.into_iter().map(|(id, _)| user(id)).collect(),
            admins: admins.into_iter().map(|(id, _)| user(id)).collect(),
            shared: take(SHARED),
            own: take(MEMBERS),
            menu: take(MENU),
            keys,
        }
    }

    /// New sessions for every member, in the order of the members.
    pub async fn create_sessions(&self, db: &mut PgConnection) -> Vec<Vec<NewSession>> {
        // In whole seconds, as in the token.
        let expires_at = DateTime::from_timestamp((Utc::now() + Duration::days(1)).timestamp(), 0).unwrap_or_default();
        let (mut users, mut ids, mut jtis) = (Vec::new(), Vec::new(), Vec::new());
        let mut new_sessions = Vec::new();
        for member in &self.members {
            let mut own = Vec::new();
            for _ in 0..SESSIONS {
                let (id, jti) = (Uuid::new_v4(), Uuid::new_v4());
                let token = self.keys.refresh(member.id, jti, expires_at).expect("a token");
                users.push(member.id);
                ids.push(id);
                jtis.push(jti);
                own.push(NewSession { id, jti, token });
            }
            new_sessions.push(own);
        }
        sqlx::query(
            "WITH sign_in AS (INSERT INTO sessions (id, user_id) SELECT * FROM unnest($2::uuid[], $1::bigint[]) RETURNING id)
             INSERT INTO refresh_tokens (jti, session_id, expires_at)
             SELECT jti, id, $4 FROM unnest($2::uuid[], $3::uuid[]) AS new (id, jti) JOIN sign_in USING (id)",
        )
        .bind(users)
        .bind(ids)
        .bind(jtis)
        .bind(expires_at)
        .execute(db)
        .await
        .expect("sessions");
        new_sessions
    }

    /// `count` further members and a further snack, which the check of a round ignores.
    pub async fn extra_users(&self, db: &mut PgConnection, count: i64) -> (Vec<TestUser>, Snack) {
        let name = Uuid::new_v4().to_string();
        let people: Vec<i64> = sqlx::query_scalar(
            "INSERT INTO users (email, email_key, name, name_key, password_hash)
             SELECT n || $1 || '@faults.example', n || $1 || '@faults.example', 'stranger', 'stranger', ''
             FROM generate_series(1, $2) AS n RETURNING id",
        )
        .bind(&name)
        .bind(count)
        .fetch_all(&mut *db)
        .await
        .expect("users");
        let (id, uid) =
            sqlx::query_as("INSERT INTO snacks (name, name_key, price) VALUES ($1, $1, 1500) RETURNING id, uid")
                .bind(&name)
                .fetch_one(db)
                .await
                .expect("a snack");
        let user = |id| TestUser { id, access: access_token(&self.keys, id) };
        (people.into_iter().map(user).collect(), Snack { id, uid })
    }

    /// The id of a refresh token.
    pub fn jti(&self, token: &str) -> Option<Uuid> {
        Some(self.keys.verify(token, TokenType::Refresh).ok()?.jti)
    }
}

impl Baseline {
    /// Reads the present rows.
    pub async fn read(db: &mut PgConnection) -> sqlx::Result<Self> {
        let reactions: Vec<(i64, i64, String)> =
            sqlx::query_as("SELECT snack_id, user_id, type::text FROM snack_reactions").fetch_all(&mut *db).await?;
        let open_orders: Vec<(Uuid, String)> = sqlx::query_as(
            "SELECT uid, status::text FROM orders WHERE status NOT IN ('completed', 'canceled') ORDER BY id",
        )
        .fetch_all(&mut *db)
        .await?;
        let (last_order, last_step, last_audit) = sqlx::query_as(
            "SELECT (SELECT coalesce(max(id), 0) FROM orders), (SELECT coalesce(max(id), 0) FROM order_history),
                 (SELECT coalesce(max(id), 0) FROM audit_log)",
        )
        .fetch_one(&mut *db)
        .await?;
        Ok(Self {
            reactions: reactions.into_iter().map(|(snack, user, kind)| ((snack, user), kind)).collect(),
            open_orders: open_orders.into_iter().map(|(uid, status)| OpenOrder { uid, status }).collect(),
            last_order,
            last_step,
            last_audit,
        })
    }
}

/// Adds a channel that is told of all events of orders.
pub async fn add_channel(db: &mut PgConnection, url: &str) {
    sqlx::query(
        "INSERT INTO channels (kind, name, url, secret, language, events) VALUES ('webhook', 'recorder', $1, 'whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0', 'ko',
         ARRAY['order.created', 'order.approved', 'order.ordered', 'order.shipping', 'order.completed', 'order.canceled', 'order.arrival_changed'])",
    )
    .bind(url)
    .execute(db)
    .await
    .expect("a channel");
}

fn access_token(keys: &TokenKeys, user_id: i64) -> String {
    keys.access(&Session { id: Uuid::new_v4(), user_id, token_generation: 0 }).expect("a token")
}
