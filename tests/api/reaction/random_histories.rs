//! Random histories of reactions and mishaps against a model: whatever came to pass, every call is told what the model
//! says, and in the end Redis, columns and rows agree with it.

use proptest::{
    prelude::*,
    sample::select,
    test_runner::{Config, TestCaseResult, TestRunner},
};
use serde_json::{Value, json};
use snack_server::reaction::ReactionType;

use crate::support::{
    counter_snapshot::{Ledger, Pair},
    test_app::{Person, TestApp},
};

const PEOPLE: usize = 3;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Somebody reacts, or cancels.
    Call(usize, Option<ReactionType>),
    /// The same as a server does it that is killed before it tells Redis.
    Killed(usize, ReactionType),
    Flush,
    Reconcile,
    Wipe,
    Save,
    /// Redis comes back with what it held at the last save.
    Restore,
    Delete(&'static str),
    Set(&'static str, &'static str),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    use ReactionType::{Hate, Like};
    let name = || select(vec!["like_count", "hate_count", "epoch"]);
    let call = (0..PEOPLE, select(vec![Some(Like), Some(Hate), None])).prop_map(|(who, what)| Step::Call(who, what));
    let step = prop_oneof![
        8 => call,
        2 => (0..PEOPLE, select(vec![Like, Hate])).prop_map(|(who, what)| Step::Killed(who, what)),
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

/// What everybody thinks of the one snack.
#[derive(Default)]
struct Model([Option<ReactionType>; PEOPLE]);

impl Model {
    fn counts(&self) -> Pair {
        let count = |reaction| self.0.iter().filter(|mine| **mine == Some(reaction)).count();
        let [likes, hates] = [ReactionType::Like, ReactionType::Hate].map(|reaction| i64::try_from(count(reaction)));
        (likes.expect("few"), hates.expect("few"))
    }

    /// Does what was asked for and returns the status that answers it.
    fn take(&mut self, who: usize, reaction: Option<ReactionType>) -> u16 {
        let before = std::mem::replace(&mut self.0[who], reaction);
        match (before == reaction, reaction) {
            (false, _) => 200,
            (true, Some(_)) => 409,
            (true, None) => 404,
        }
    }
}

fn counts(body: &Value) -> Pair {
    let [likes, hates] = ["like_reaction_count", "hate_reaction_count"].map(|name| body[name].as_i64());
    (likes.unwrap_or(-1), hates.unwrap_or(-1))
}

async fn play(app: &TestApp, people: &[Person], ledger: &Ledger, history: &[Step]) -> TestCaseResult {
    let name = uuid::Uuid::new_v4().to_string();
    let uid = app.snack(&people[0], &name).await;
    let (path, snack) = (format!("/snacks/{uid}/reaction"), uid.parse().expect("a uid"));
    let mut model = Model::default();
    let mut saved = ledger.save().await;
    // Redis may be told too little by one who was killed, until the flush; or false by one who meddles, until the reconcile.
    let (mut trails, mut lies) = (false, false);
    for step in history {
        match *step {
            Step::Call(who, reaction) => {
                let expected = model.take(who, reaction);
                let answer = match spelled(reaction) {
                    Some(kind) => app.post(&people[who], &path, json!({"type": kind})).await,
                    None => app.delete(&people[who], &path).await,
                };
                prop_assert_eq!(answer.status.as_u16(), expected, "{:?}", step);
                if expected == 200 {
                    prop_assert_eq!(answer.body["my_reaction"].as_str(), spelled(reaction));
                    if !trails && !lies {
                        prop_assert_eq!(counts(&answer.body), model.counts(), "{:?}", step);
                    }
                }
            }
            Step::Killed(who, reaction) => {
                let expected = model.take(who, Some(reaction));
                let outcome = app.wish(snack, people[who].id, Some(reaction)).await;
                prop_assert_eq!(outcome.is_ok(), expected == 200);
                trails = true;
            }
            Step::Flush => {
                app.flush().await;
                trails = false;
            }
            Step::Reconcile => {
                app.reconcile().await;
                (trails, lies) = (false, false);
            }
            Step::Wipe => ledger.wipe().await,
            Step::Save => saved = ledger.save().await,
            Step::Restore => {
                ledger.restore(&saved).await;
                // Of this epoch, but without the INCRs that came after: the flush makes up for them.
                trails = true;
            }
            Step::Delete(name) => ledger.delete(&uid, name).await,
            Step::Set(name, value) => {
                ledger.set(&uid, name, value).await;
                lies = true;
            }
        }
        if !trails && !lies {
            let seen = app.get(&people[0], &format!("/snacks/{uid}")).await;
            prop_assert_eq!(counts(&seen.body), model.counts(), "seen after {:?}", step);
        }
    }
    ledger.converge(app).await;
    let entries = ledger.entries(app).await;
    prop_assert_eq!(entries[&uid].rows, model.counts());
    // The next history has the shelf to itself; what is left to flush of this one is of a snack that has gone.
    sqlx::query("DELETE FROM snacks").execute(app.db()).await.expect("an empty shelf");
    Ok(())
}

#[test]
fn every_history_ends_where_its_model_does() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (app, people, ledger) = runtime.block_on(async {
        let app = TestApp::start().await;
        let people = app.crowd(i32::try_from(PEOPLE).expect("few")).await;
        let ledger = Ledger::open(&app).await;
        (app, people, ledger)
    });
    let config = Config { cases: 40, max_shrink_iters: 300, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&steps(), |history| runtime.block_on(play(&app, &people, &ledger, &history)))
        .unwrap_or_else(|failure| panic!("{failure}"));
}
