//! Repair of counters after lost, changed or restored data.

use serde_json::json;
use snack_server::reaction::counts::ReactionType::Hate;

use super::convergence::{killed_after_commit, rated_snacks, react, sql};
use crate::support::{counter_snapshot::CounterProbe, test_app::TestApp};

#[tokio::test]
async fn a_redis_that_lost_all_it_held_is_filled_again() {
    let app = TestApp::start().await;
    let (users, snacks, probe) = rated_snacks(&app).await;
    react(&app, &users[0], &snacks[0], "like").await;
    probe.wipe().await;
    // In the middle: responses stay correct, with the present row counted and the later ones to come.
    let path = format!("/snacks/{}", snacks[0]);
    assert_eq!(app.get(&users[0], &path).await.expect(200)["like_reaction_count"], 4);
    let body = json!({"type": "like"});
    let liked = app.post(&users[1], &format!("{path}/reaction"), body).await.expect(200);
    assert_eq!((&liked["like_reaction_count"], &liked["hate_reaction_count"]), (&json!(5), &json!(2)));
    probe.converge(&app).await;
    // At the end, with nothing left to flush.
    probe.wipe().await;
    probe.converge(&app).await;
    assert_eq!(probe.keys().await.len(), 3 * 3 + 1, "three of each snack, and the generation");
    assert_eq!(app.reconcile().await, 0, "equal counts are left alone");
}

#[tokio::test]
async fn wrong_values_of_single_keys_are_corrected() {
    let app = TestApp::start().await;
    let (users, snacks, probe) = rated_snacks(&app).await;
    let values =
        ["", "junk", "-5", "999", "3.5", "1e3", "0", "99999999999", "9999999999999999999999", "9007199254740993"];
    for name in ["like_count", "hate_count", "epoch"] {
        probe.delete(&snacks[0], name).await;
        probe.converge(&app).await;
        probe.spoil(&snacks[0], name).await;
        probe.converge(&app).await;
        for value in values {
            probe.set(&snacks[0], name, value).await;
            probe.converge(&app).await;
        }
        // All keys of one name at once, and traffic that reads them.
        for (snack, value) in snacks.iter().zip(["junk", "", "999"]) {
            probe.set(snack, name, value).await;
            killed_after_commit(&app, &users[1], snack, Hate).await;
            react(&app, &users[1], snack, "like").await;
            let path = format!("/snacks/{snack}/reaction");
            app.delete(&users[1], &path).await.expect(200);
        }
        probe.converge(&app).await;
    }
}

#[tokio::test]
async fn a_redis_that_came_back_with_older_values_is_brought_up_to_date() {
    let app = TestApp::start().await;
    let (users, snacks, probe) = rated_snacks(&app).await;
    let mut saved_states = vec![probe.save().await];
    for (user, kind) in users.iter().zip(["like", "hate", "hate", "like"]) {
        react(&app, user, &snacks[0], kind).await;
        // Between an INCR and its flush as well.
        saved_states.push(probe.save().await);
        app.flush().await;
        saved_states.push(probe.save().await);
    }
    for past in &saved_states {
        probe.restore(past).await;
        probe.converge(&app).await;
        // Also with traffic before the difference is found, whose responses must be correct.
        probe.restore(past).await;
        let path = format!("/snacks/{}/reaction", snacks[0]);
        let lost = app.delete(&users[0], &path).await.expect(200);
        let expected = probe.snapshots(&app).await[&snacks[0]].rows;
        assert_eq!((lost["like_reaction_count"].as_i64(), lost["hate_reaction_count"].as_i64()), {
            let (likes, hates) = expected;
            (Some(likes), Some(hates))
        });
        react(&app, &users[0], &snacks[0], "like").await;
        probe.converge(&app).await;
    }
}

#[tokio::test]
async fn a_database_restored_from_a_backup_overrules_redis() {
    let app = TestApp::start().await;
    let (users, snacks, probe) = rated_snacks(&app).await;
    // Redis holds epochs and counts that the restored Postgres has not reached yet.
    for (snack, epoch) in snacks.iter().zip(["100000", "4000", "500000"]) {
        probe.set(snack, "epoch", epoch).await;
        probe.set(snack, "like_count", "77").await;
    }
    probe.set(&snacks[2], "hate_count", "junk").await;
    probe.converge(&app).await;
    // Later reactions are counted as usual.
    react(&app, &users[0], &snacks[2], "like").await;
    app.flush().await;
    probe.assert_equal(&app).await;
}

#[tokio::test]
async fn a_snack_without_reactions_in_the_backup_loses_its_counts_in_redis() {
    let app = TestApp::start().await;
    let users = app.users(2).await;
    let uid = app.snack(&users[0], "새우깡").await;
    let probe = CounterProbe::open(&app).await;
    for (name, value) in [("like_count", "7"), ("hate_count", "3"), ("epoch", "5000")] {
        probe.set(&uid, name, value).await;
    }
    probe.converge(&app).await;
    let snack = app.get(&users[0], &format!("/snacks/{uid}")).await.expect(200);
    assert_eq!((&snack["like_reaction_count"], &snack["hate_reaction_count"]), (&json!(0), &json!(0)));
}

#[tokio::test]
async fn statistics_columns_changed_by_hand_are_put_right() {
    let app = TestApp::start().await;
    let (users, snacks, probe) = rated_snacks(&app).await;
    let statements = [
        "UPDATE snacks SET like_reaction_count = 99 WHERE counter_epoch > 0",
        "UPDATE snacks SET hate_reaction_count = 0, like_reaction_count = 0 WHERE counter_epoch > 0",
        "UPDATE snacks SET counter_epoch = counter_epoch + 5 WHERE counter_epoch > 0",
        "UPDATE snacks SET counter_epoch = 1 WHERE counter_epoch > 0",
    ];
    for statement in statements {
        sql(&app, statement).await;
        probe.converge(&app).await;
        sql(&app, statement).await;
        probe.wipe().await;
        probe.converge(&app).await;
    }
    // Rows that are changed by hand count like any others.
    sql(&app, "DELETE FROM snack_reactions WHERE type = 'hate'").await;
    sql(&app, "UPDATE snack_reactions SET type = 'hate' WHERE user_id % 2 = 0").await;
    app.flush().await;
    probe.assert_equal(&app).await;
    react(&app, &users[0], &snacks[0], "like").await;
    probe.converge(&app).await;
}

#[tokio::test]
async fn a_snack_without_reactions_needs_no_counters_and_one_that_lost_them_keeps_zeros() {
    let app = TestApp::start().await;
    let users = app.users(1).await;
    let (unrated, rated) = (app.snack(&users[0], "새우깡").await, app.snack(&users[0], "감자깡").await);
    react(&app, &users[0], &rated, "like").await;
    app.flush().await;
    app.delete(&users[0], &format!("/snacks/{rated}/reaction")).await.expect(200);
    let probe = CounterProbe::open(&app).await;
    probe.converge(&app).await;
    let entries = probe.snapshots(&app).await;
    assert_eq!((entries[&unrated].redis, entries[&rated].redis), (None, Some((0, 0))));
    for uid in [unrated, rated] {
        let snack = app.get(&users[0], &format!("/snacks/{uid}")).await.expect(200);
        assert_eq!(snack["like_ratio"], 1.0);
    }
}
