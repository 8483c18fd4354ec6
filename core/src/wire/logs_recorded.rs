//! What the flight recorder needs to know of replication.

use alloc::vec::Vec;

use super::ballots::read_node;
use super::logs::{read_entry, write_entry};
use super::record::{Vocabulary, flag};
use super::{Reader, Replayable, WireBody, WireError, WirePosition, Writer, decode_log, encode_log};
use crate::election::{Election, Timer};
use crate::replication::{Command, Config, Durable, Index, LogId, Message, Query, Replication, Rows, Run, Whom};
use crate::types::Term;

type Ballots = Election<LogId>;

impl<C: WireBody> Vocabulary for Replication<C> {
    fn write_message(w: &mut Writer<'_>, message: &Message<C>) {
        let mut frame = Vec::new();
        encode_log(message, &mut frame);
        w.bytes(&frame);
    }

    fn read_message(bytes: &[u8]) -> Result<Message<C>, WireError> {
        decode_log(bytes)
    }

    fn timer_byte(timer: Timer) -> u8 {
        Ballots::timer_byte(timer)
    }

    fn timer(byte: u8) -> Option<Timer> {
        Ballots::timer(byte)
    }

    fn write_command(w: &mut Writer<'_>, command: &Command<C>) {
        match command {
            Command::Election(command) => {
                w.byte(0);
                Ballots::write_command(w, command);
            }
            Command::Propose(body) => {
                w.byte(1);
                body.write(w);
            }
            Command::Read => w.byte(2),
            Command::Piece { upto, nth, end, body } => {
                w.byte(3);
                w.number(upto.0);
                w.number((*nth).into());
                w.byte((*end).into());
                body.write(w);
            }
        }
    }

    fn read_command(r: &mut Reader<'_>) -> Result<Command<C>, WireError> {
        Ok(match r.byte()? {
            0 => Command::Election(Ballots::read_command(r)?),
            1 => Command::Propose(C::read(r)?),
            2 => Command::Read,
            3 => Command::Piece {
                upto: Index(r.number()?),
                nth: r.small()?,
                end: flag(r)?,
                body: C::read(r)?,
            },
            other => return Err(WireError::Kind(other)),
        })
    }

    fn write_fetched(w: &mut Writer<'_>, query: &Query, rows: &Rows<C>) {
        match query {
            Query::Entries { from, upto, whom } => {
                w.byte(0);
                w.number(from.0);
                w.number(upto.0);
                write_whom(w, *whom);
            }
            Query::Piece { base, nth, whom } => {
                w.byte(1);
                base.write(w);
                w.number((*nth).into());
                write_whom(w, *whom);
            }
        }
        match rows {
            Rows::Entries(entries) => {
                w.byte(0);
                w.count(entries.len());
                entries.iter().for_each(|entry| write_entry(w, entry));
            }
            Rows::Piece { piece, end } => {
                w.byte(1);
                w.byte((*end).into());
                w.byte(piece.is_some().into());
                piece.iter().for_each(|piece| piece.write(w));
            }
        }
    }

    fn read_fetched(r: &mut Reader<'_>) -> Result<(Query, Rows<C>), WireError> {
        let query = match r.byte()? {
            0 => Query::Entries {
                from: Index(r.number()?),
                upto: Index(r.number()?),
                whom: read_whom(r)?,
            },
            1 => Query::Piece {
                base: LogId::read(r)?,
                nth: r.small()?,
                whom: read_whom(r)?,
            },
            other => return Err(WireError::Kind(other)),
        };
        let rows = match r.byte()? {
            0 => Rows::Entries((0..r.count()?).map(|_| read_entry(r)).collect::<Result<_, _>>()?),
            1 => {
                let end = flag(r)?;
                let piece = if flag(r)? { Some(C::read(r)?) } else { None };
                Rows::Piece { piece, end }
            }
            other => return Err(WireError::Kind(other)),
        };
        Ok((query, rows))
    }

    fn write_durable(w: &mut Writer<'_>, durable: &Durable) {
        Ballots::write_durable(w, &durable.hard);
        durable.base.write(w);
        w.count(durable.runs.len());
        for run in &durable.runs {
            w.number(run.first.0);
            w.number(run.term.0);
        }
        w.number(durable.last.0);
        w.byte(durable.lacks.into());
    }

    fn read_durable(r: &mut Reader<'_>) -> Result<Durable, WireError> {
        let hard = Ballots::read_durable(r)?;
        let base = LogId::read(r)?;
        let run = |r: &mut Reader<'_>| {
            let first = Index(r.number()?);
            let term = Term(r.number()?);
            Ok(Run { first, term })
        };
        let runs = (0..r.count()?).map(|_| run(r)).collect::<Result<_, WireError>>()?;
        let last = Index(r.number()?);
        let lacks = flag(r)?;
        Ok(Durable {
            hard,
            base,
            runs,
            last,
            lacks,
        })
    }
}

fn write_whom(w: &mut Writer<'_>, whom: Whom) {
    let (kind, node) = match whom {
        Whom::Host => (0, None),
        Whom::Follower(node) => (1, Some(node)),
        Whom::Asker(node) => (2, Some(node)),
    };
    w.byte(kind);
    w.optional(node.map(|node| node.0.into()));
}

fn read_whom(r: &mut Reader<'_>) -> Result<Whom, WireError> {
    let kind = r.byte()?;
    match (kind, read_node(r)?) {
        (0, None) => Ok(Whom::Host),
        (1, Some(node)) => Ok(Whom::Follower(node)),
        (2, Some(node)) => Ok(Whom::Asker(node)),
        _ => Err(WireError::Kind(kind)),
    }
}

impl<C: WireBody> Replayable for Replication<C> {
    const NAME: &'static str = "log";

    fn encode_config(config: &Config, buffer: &mut Vec<u8>) {
        let mut election = Vec::new();
        Ballots::encode_config(&config.election, &mut election);
        let w = &mut Writer(buffer);
        w.bytes(&election);
        [config.chunk, config.window, config.backlog]
            .iter()
            .for_each(|limit| w.number((*limit).into()));
        w.number(config.body_max.into());
    }

    fn decode_config(bytes: &[u8]) -> Result<Config, WireError> {
        let mut r = Reader(bytes);
        let election = Ballots::decode_config(r.bytes()?)?;
        let config = Config {
            chunk: r.small()?,
            window: r.small()?,
            backlog: r.small()?,
            body_max: r.small()?,
            ..Config::new(election)
        };
        r.end()?;
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::election::{self, Timing};
    use crate::members::NodeSet;
    use crate::types::NodeId;

    #[test]
    fn a_configuration_comes_back_as_it_was() {
        let election = election::Config::new(NodeId(1), NodeSet::first(3), Timing::LAN);
        let config = Config {
            chunk: 3,
            window: 500,
            backlog: 7,
            body_max: 99,
            ..Config::new(election)
        };
        let mut bytes = Vec::new();
        Replication::<Vec<u8>>::encode_config(&config, &mut bytes);
        assert_eq!(Replication::<Vec<u8>>::decode_config(&bytes), Ok(config));
        for end in 0..bytes.len() {
            assert!(Replication::<Vec<u8>>::decode_config(bytes.get(..end).unwrap_or_default()).is_err());
        }
        bytes.push(0);
        assert!(Replication::<Vec<u8>>::decode_config(&bytes).is_err());
    }
}
