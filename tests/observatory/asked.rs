//! What the command line asks for.

use crate::options::{Fault, Form, Options, Terminal};

fn parse(line: &str) -> Result<Options, Fault> {
    Options::parse(line.split_whitespace().map(str::to_owned))
}

fn serve(address: &str, terminal: Option<Terminal>) -> Result<Options, Fault> {
    Ok(Options::Serve { address: address.parse().unwrap(), terminal })
}

#[test]
fn it_serves_on_this_machine_unless_asked_for_something_else() {
    let terminal = |columns| Some(Terminal { columns });
    assert_eq!(parse(""), serve("127.0.0.1:8090", None));
    assert_eq!(parse("9000"), serve("127.0.0.1:9000", None));
    assert_eq!(parse("127.0.0.2:0"), serve("127.0.0.2:0", None));
    assert_eq!(parse("[::1]:9000 --terminal"), serve("[::1]:9000", terminal(None)));
    assert_eq!(parse("--terminal --width 132 9000"), serve("127.0.0.1:9000", terminal(Some(132))));
    assert_eq!(parse("--once"), Ok(Options::Once(Form::Tree)));
    assert_eq!(parse("--json --once"), Ok(Options::Once(Form::Json)));
    assert_eq!(parse("--once --dot"), Ok(Options::Once(Form::Dot)));
}

#[test]
fn no_address_but_this_machines_own_is_served() {
    for address in ["0.0.0.0:8090", "[::]:8090", "192.168.0.1:80", "[::ffff:127.0.0.1]:80", "8.8.8.8:0"] {
        assert_eq!(parse(address), Err(Fault::NotThisMachine(address.parse().unwrap())), "{address}");
    }
}

#[test]
fn what_cannot_be_meant_is_wrong_usage() {
    let wrong = [
        "65536",
        "localhost:80",
        "127.0.0.1",
        "-1",
        "--quick",
        "1 2",
        "--json",
        "--dot",
        "--once --json --dot",
        "--once 80",
        "--once --terminal",
        "--terminal --json",
        "--width 80",
        "--terminal --width",
        "--terminal --width 0",
        "--terminal --width wide",
        "--once --width 80",
    ];
    for line in wrong {
        assert_eq!(parse(line), Err(Fault::Usage), "{line}");
    }
}
