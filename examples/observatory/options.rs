//! What the command line asks for.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

pub(crate) const USAGE: &str = "\
usage: observatory [PORT | ADDRESS:PORT] [--terminal] [--width COLUMNS]
       observatory --once [--json | --dot]
default: 127.0.0.1:8090; no address but this machine's own is served";

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Options {
    /// Serve the page until somebody ends it.
    Serve {
        address: SocketAddr,
        /// Also draw it in the terminal.
        terminal: Option<Terminal>,
    },
    /// Run for a short time, print what is there, end.
    Once(Form),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terminal {
    /// How wide, if not as wide as the window.
    pub(crate) columns: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Tree,
    Json,
    Dot,
}

/// What is wrong with it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Usage,
    /// Who could reach it could end the children.
    NotThisMachine(SocketAddr),
}

impl Options {
    pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, Fault> {
        let (mut address, mut is_once, mut is_terminal, mut columns, mut form) = (None, false, false, None, None);
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--once" => is_once = true,
                "--terminal" => is_terminal = true,
                "--json" if form.is_none() => form = Some(Form::Json),
                "--dot" if form.is_none() => form = Some(Form::Dot),
                "--width" => {
                    let width = arguments.next().and_then(|width| width.parse().ok());
                    columns = Some(width.filter(|width| *width > 0).ok_or(Fault::Usage)?);
                }
                _ if address.is_none() => address = Some(address_of(&argument).ok_or(Fault::Usage)?),
                _ => return Err(Fault::Usage),
            }
        }
        match (is_once, is_terminal) {
            (true, false) if address.is_none() && columns.is_none() => Ok(Self::Once(form.unwrap_or(Form::Tree))),
            (false, _) if form.is_none() && (is_terminal || columns.is_none()) => {
                let address = address.unwrap_or(SocketAddr::new(LOCALHOST, 8090));
                if !address.ip().is_loopback() {
                    return Err(Fault::NotThisMachine(address));
                }
                Ok(Self::Serve { address, terminal: is_terminal.then_some(Terminal { columns }) })
            }
            _ => Err(Fault::Usage),
        }
    }
}

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn address_of(argument: &str) -> Option<SocketAddr> {
    let port = || argument.parse().ok().map(|port| SocketAddr::new(LOCALHOST, port));
    argument.parse().ok().or_else(port)
}
