use super::*;

fn counted(started: i32, errors: u64) -> Counted {
    Counted {
        started: 1.79e9 + f64::from(started),
        events: 0,
        errors: [("webhook".to_owned(), errors)].into(),
    }
}

#[test]
fn metrics_are_read() {
    let text = "# HELP x\napiserver_audit_event_total 42\napiserver_audit_error_total{plugin=\"log\"} 2\n\
                apiserver_audit_error_total{plugin=\"webhook\"} 1e+06\nprocess_start_time_seconds 1.79e+09\nother 1\n";
    let found = Counted::parse(text).unwrap();
    assert_eq!((found.events, found.errors["log"], found.errors["webhook"]), (42, 2, 1_000_000));
    assert!((found.started - 1.79e9).abs() < 1.0);
    assert_eq!(Counted::parse("other 1\n"), None);
}

#[test]
fn an_api_server_says_what_it_lost_itself() {
    let mut one = Failures::default();
    one.look(&counted(-9, 3));
    assert!(one.failed().is_empty(), "of a time that nothing is claimed of");
    one.look(&counted(-9, 5));
    assert_eq!(one.failed()["webhook"], 2);
    one.look(&counted(40, 1));
    assert_eq!(one.failed()["webhook"], 3, "a new process counts from zero");
    one.look(&counted(40, 1));
    assert_eq!(one.failed()["webhook"], 3);
}
