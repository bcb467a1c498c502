//! Markdown files of the repository: links, paths, and the walkthrough.

use std::{path::Path, process::Command};

use snack_server::{
    audit::Actor,
    auth::{
        password::hash_blocking,
        sign_up::{self, NewUser},
        users::MemberType,
    },
    demo,
};

use crate::support::test_app::TestApp;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Script of a Markdown file that is marked as the walkthrough.
fn walkthrough(file: &str) -> String {
    let text = read(&repository().join(file));
    let (_, rest) = text.split_once("<!-- walkthrough -->\n```bash\n").expect("the marker");
    let (script, _) = rest.split_once("```").expect("the end of the script");
    script.to_owned()
}

#[test]
fn the_readmes_print_the_beginning_of_the_walkthrough() {
    let whole = walkthrough("docs/WALKTHROUGH.md");
    for readme in ["README.md", "README.ko.md"] {
        let beginning = walkthrough(readme);
        assert!(beginning.lines().count() > 5, "{readme}: {beginning}");
        assert!(whole.starts_with(&beginning), "{readme} differs from docs/WALKTHROUGH.md");
    }
}

/// Anchor of a heading, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().trim().to_lowercase().replace(' ', "-")
}

#[test]
fn links_and_paths_in_markdown_files_exist() {
    let folders = [".", "docs", "docs/decisions", "web"].map(|folder| repository().join(folder));
    let files = folders.iter().flat_map(|folder| std::fs::read_dir(folder).expect("a folder"));
    let files =
        files.map(|entry| entry.expect("an entry").path()).filter(|file| file.extension() == Some("md".as_ref()));
    let (mut found, mut missing) = (0, Vec::new());
    for file in files {
        let text = read(&file);
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in targets.filter(|link| !link.contains("://")) {
            let (path, fragment) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { file.clone() } else { file.with_file_name(path) };
            let has_heading = || read(&target).lines().any(|line| line.starts_with('#') && anchor(line) == fragment);
            found += 1;
            if !target.exists() || !fragment.is_empty() && !has_heading() {
                missing.push(format!("{}: {link}", file.display()));
            }
        }
        let code = text.split('`').filter(|code| !code.contains(char::is_whitespace));
        for path in code.filter(|code| ["src/", "tests/", "scripts/", "bench/"].iter().any(|it| code.starts_with(it))) {
            found += 1;
            // The README of the web app names its own folders.
            if !repository().join(path).exists() && !file.with_file_name(path).exists() {
                missing.push(format!("{}: {path}", file.display()));
            }
        }
    }
    assert!(found > 100, "{found} links and paths");
    assert!(missing.is_empty(), "{missing:#?}");
}

#[tokio::test]
async fn the_walkthrough_runs_as_printed() {
    let app = TestApp::start().await;
    // The admin of the demo data, who exists after `make run`.
    let hash = hash_blocking(demo::PASSWORD).expect("a hash");
    let admin = NewUser {
        email: demo::ADMIN_EMAIL,
        name: "관리자",
        password_hash: Some(&hash),
        member_type: MemberType::Admin,
    };
    let mut db = app.db().acquire().await.expect("a connection");
    sign_up::create(&mut db, &Actor::local(), &admin).await.expect("the admin");
    drop(db);

    let folder = std::env::temp_dir().join(format!("walkthrough-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir(&folder).expect("a folder");
    let mut bash = Command::new("bash");
    let script = walkthrough("docs/WALKTHROUGH.md");
    assert_eq!(script.matches("SNACK=http://localhost:8000\n").count(), 1);
    let script = script.replace("SNACK=http://localhost:8000\n", &format!("SNACK={}\n", app.url));
    bash.args(["-euo", "pipefail", "-c", &script]).current_dir(&folder);
    let output = tokio::task::spawn_blocking(move || bash.output().expect("bash")).await.expect("its end");
    let stdout_text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{stdout_text}\n{}", String::from_utf8_lossy(&output.stderr));
    for sign in [
        r#""like_reaction_count":1"#,
        r#""status":"completed""#,
        r#""from":"shipping","to":"completed""#,
        r#""snack_quantity":3"#,
        ",1,3,KRW,4500",
    ] {
        assert!(stdout_text.contains(sign), "{sign} is missing in:\n{stdout_text}");
    }
}
