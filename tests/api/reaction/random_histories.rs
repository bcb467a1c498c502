//! Random histories of reactions and failures against a model: every response is the model's, and in the end Redis,
//! columns and rows agree with it.

use proptest::{
    prelude::*,
    sample::select,
    test_runner::{Config, TestCaseResult, TestRunner},
};
use serde_json::{Value, json};
use snack_server::reaction::counts::ReactionType;

use crate::support::{
    counter_snapshot::{CounterProbe, Counts},
    database,
    test_app::{TestApp, TestUser},
};

const USERS: usize = 3;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A user reacts, or cancels.
    React(usize, Option<ReactionType>),
    /// The same by a server that is killed before it updates Redis.
    Killed(usize, ReactionType),
    Flush,
    Reconcile,
    Wipe,
    Save,
    /// Redis comes back with the values of the last save.
    Restore,
    Delete(&'static str),
    Set(&'static str, &'static str),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    use ReactionType::{Hate, Like};
    let name = || select(vec!["like_count", "hate_count", "epoch"]);
    let reaction =
        (0..USERS, select(vec![Some(Like), Some(Hate), None])).prop_map(|(user, what)| Step::React(user, what));
    let step = prop_oneof![
        8 => reaction,
        2 => (0..USERS, select(vec![Like, Hate])).prop_map(|(user, what)| Step::Killed(user, what)),
        3 => Just(Step::Flush),
        1 => Just(Step::Reconcile),
        1 => Just(Step::Wipe),
        1 => Just(Step::Save),
        1 => Just(Step::Restore),
        1 => name().prop_map(Step::Delete),
        1 => (name(), select(vec!["", "junk", "0", "7", "-1", "31415926535"])).prop_map(|(name, value)| Step::Set(name, value)),
    ];
    prop::collection::vec(step, 1..40)
}

const fn spelled(reaction: Option<ReactionType>) -> Option<&'static str> {
    match reaction {
        Some(ReactionType::Like) => Some("like"),
        Some(ReactionType::Hate) => Some("hate"),
        None => None,
    }
}

/// The reactions of all users to the one snack.
#[derive(Default)]
struct Model([Option<ReactionType>; USERS]);

impl Model {
    fn counts(&self) -> Counts {
        let count = |reaction| self.0.iter().filter(|mine| **mine == Some(reaction)).count();
        let [likes, hates] = [ReactionType::Like, ReactionType::Hate].map(|reaction| i64::try_from(count(reaction)));
        (likes.expect("few"), hates.expect("few"))
    }

    /// Applies a step and returns the expected status.
    fn apply(&mut self, user: usize, reaction: Option<ReactionType>) -> u16 {
        let before = std::mem::replace(&mut self.0[user], reaction);
        match (before == reaction, reaction) {
            (false, _) => 200,
            (true, Some(_)) => 409,
            (true, None) => 404,
        }
    }
}

fn counts(body: &Value) -> Counts {
    let [likes, hates] = ["like_reaction_count", "hate_reaction_count"].map(|name| body[name].as_i64());
    (likes.unwrap_or(-1), hates.unwrap_or(-1))
}

async fn run(app: &TestApp, users: &[TestUser], probe: &CounterProbe, history: &[Step]) -> TestCaseResult {
    let name = uuid::Uuid::new_v4().to_string();
    let uid = app.snack(&users[0], &name).await;
    let (path, snack) = (format!("/snacks/{uid}/reaction"), uid.parse().expect("a uid"));
    let mut model = Model::default();
    let mut saved = probe.save().await;
    // After a kill Redis lags until the flush, and after tampering it is wrong until the reconcile.
    let (mut lags, mut is_wrong) = (false, false);
    for step in history {
        match *step {
            Step::React(user, reaction) => {
                let expected = model.apply(user, reaction);
                let response = match spelled(reaction) {
                    Some(kind) => app.post(&users[user], &path, json!({"type": kind})).await,
                    None => app.delete(&users[user], &path).await,
                };
                prop_assert_eq!(response.status.as_u16(), expected, "{:?}", step);
                if expected == 200 {
                    prop_assert_eq!(response.body["my_reaction"].as_str(), spelled(reaction));
                    if !lags && !is_wrong {
                        prop_assert_eq!(counts(&response.body), model.counts(), "{:?}", step);
                    }
                }
            }
            Step::Killed(user, reaction) => {
                let expected = model.apply(user, Some(reaction));
                let outcome = app.write_reaction(snack, users[user].id, Some(reaction)).await;
                prop_assert_eq!(outcome.is_ok(), expected == 200);
                lags = true;
            }
            Step::Flush => {
                app.flush().await;
                lags = false;
            }
            Step::Reconcile => {
                app.reconcile().await;
                (lags, is_wrong) = (false, false);
            }
            Step::Wipe => probe.wipe().await,
            Step::Save => saved = probe.save().await,
            Step::Restore => {
                probe.restore(&saved).await;
                // Values of this epoch without the later INCRs, which the flush makes up for.
                lags = true;
            }
            Step::Delete(name) => probe.delete(&uid, name).await,
            Step::Set(name, value) => {
                probe.set(&uid, name, value).await;
                is_wrong = true;
            }
        }
        if !lags && !is_wrong {
            let seen = app.get(&users[0], &format!("/snacks/{uid}")).await;
            prop_assert_eq!(counts(&seen.body), model.counts(), "seen after {:?}", step);
        }
    }
    probe.converge(app).await;
    let entries = probe.snapshots(app).await;
    prop_assert_eq!(entries[&uid].rows, model.counts());
    // The next history uses another snack, so what is left to flush of this one does not matter.
    sqlx::raw_sql("DELETE FROM snack_reactions; DELETE FROM snacks").execute(app.db()).await.expect("no open orders");
    Ok(())
}

#[test]
fn every_history_ends_where_its_model_does() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (app, users, probe) = runtime.block_on(async {
        let app = TestApp::start().await;
        let users = app.users(i32::try_from(USERS).expect("few")).await;
        let probe = CounterProbe::open(&app).await;
        database::allow_deletion(app.db()).await;
        (app, users, probe)
    });
    let config = Config { cases: 40, max_shrink_iters: 300, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&steps(), |history| runtime.block_on(run(&app, &users, &probe, &history)))
        .unwrap_or_else(|failure| panic!("{failure}"));
}
