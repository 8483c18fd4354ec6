//! How a node's outputs read in a golden trace: one short line each, the same on every machine.

use std::fmt::Display;

use pehra_core::delivery::*;
use pehra_core::node::Output;
use pehra_core::pipeline::{Pipeline, PipelineEvent, PipelineRecord, PipelineReport, PipelineTimer, SetAside};
use pehra_core::protocol::Protocol;
use pehra_core::window::{Reading, Span, Tuple, WindowRecord, WindowTimer};

use crate::letter::Letter;

/// A protocol whose outputs can be written down.
pub trait Speech: Protocol {
    fn notice(notice: &Self::Notice) -> String;
    fn claim(claim: &Self::Claim) -> String;
    fn event(event: &Self::Event) -> String;
    fn record(record: &Self::Record) -> String;
    fn query(query: &Self::Query) -> String;
    fn report(report: &Self::Report) -> String;
    fn timer(timer: Self::Timer) -> &'static str;
}

/// A row that can be written down.
pub trait Readable: Body<Household: Display, Code: Display> {
    fn text(&self) -> String;
}

/// All outputs of one step, each a line that begins with who said it.
pub fn tell<P: Speech>(who: &str, outputs: &[Output<P>]) -> String {
    outputs
        .iter()
        .map(|output| format!("{who} {}\n", line(output)))
        .collect()
}

fn line<P: Speech>(output: &Output<P>) -> String {
    match output {
        Output::Notice { notice, .. } => format!("notice {}", P::notice(notice)),
        Output::Claim { claim, .. } => format!("claim {}", P::claim(claim)),
        Output::Record { record, .. } => format!("record {}", P::record(record)),
        Output::Commit { .. } => "commit".to_owned(),
        Output::Fetch { query, .. } => format!("fetch {}", P::query(query)),
        Output::Emit { event, .. } => format!("emit {}", P::event(event)),
        Output::Report { report, .. } => format!("report {}", P::report(report)),
        Output::Arm { timer, after, .. } if after.min == after.max => {
            format!("arm {} {} ms", P::timer(*timer), after.min.0)
        }
        Output::Arm { timer, after, .. } => {
            format!("arm {} {}..{} ms", P::timer(*timer), after.min.0, after.max.0)
        }
        Output::Disarm { timer, .. } => format!("disarm {}", P::timer(*timer)),
        Output::Draw { .. } => "draw nonce".to_owned(),
        Output::Fault { broken, .. } => format!("FAULT {broken}"),
    }
}

impl Readable for Letter {
    fn text(&self) -> String {
        self.0.clone()
    }
}

impl Readable for Tuple {
    fn text(&self) -> String {
        let whose = format!("{}@{}", self.household, self.start_ms);
        match self.span {
            Span::Gap { until_ms } => format!("{whose} gap until={until_ms}"),
            Span::Window {
                sum_mw,
                n,
                min_mw,
                max_mw,
                first_register,
                last_register,
                revision,
            } => {
                let register = |at: Option<u64>| at.map_or("none".to_owned(), |register| register.to_string());
                let registers = if first_register.or(last_register).is_some() {
                    format!(" registers={}..{}", register(first_register), register(last_register))
                } else {
                    String::new()
                };
                format!("{whose} n={n} sum={sum_mw} min={min_mw} max={max_mw}{registers} revision={revision}")
            }
        }
    }
}

fn rows<B: Readable>(bodies: &[B]) -> String {
    bodies.iter().map(B::text).collect::<Vec<_>>().join(", ")
}

fn codes<H: Display, C: Display>(codes: &[(H, C)]) -> String {
    let all: Vec<String> = codes
        .iter()
        .map(|(household, code)| format!("{household}={code}"))
        .collect();
    format!("[{}]", all.join(" "))
}

fn households<H: Display>(all: &[H]) -> String {
    let all: Vec<String> = all.iter().map(ToString::to_string).collect();
    format!("[{}]", all.join(" "))
}

impl<B: Readable> Speech for Sender<B> {
    fn notice(Heartbeat { backlog }: &Heartbeat) -> String {
        format!("heartbeat backlog={backlog}")
    }

    fn claim(claim: &SenderClaim<B>) -> String {
        match claim {
            SenderClaim::Hello { epoch, session, oldest } => {
                format!("hello epoch={epoch} session={session} oldest={oldest}")
            }
            SenderClaim::Batch { epoch, rows: batch } => {
                let asks = if batch.asks.is_empty() {
                    String::new()
                } else {
                    format!(" asks={}", households(&batch.asks))
                };
                let (first, last) = (batch.first, batch.last());
                format!("batch epoch={epoch} {first}..{last} ({}){asks}", rows(&batch.bodies))
            }
        }
    }

    fn event(SenderEvent::Acked(to): &SenderEvent) -> String {
        format!("acknowledged to={to}")
    }

    fn record(record: &SenderRecord<B>) -> String {
        match record {
            SenderRecord::Epoch(epoch) => format!("epoch {epoch}"),
            SenderRecord::Row { seq, body } => format!("row {seq} ({})", body.text()),
            SenderRecord::Sent(to) => format!("sent to={to}"),
            SenderRecord::Acked { to, codes: new } if new.is_empty() => format!("acknowledged to={to}"),
            SenderRecord::Acked { to, codes: new } => format!("acknowledged to={to} codes={}", codes(new)),
            SenderRecord::Trimmed { oldest } => format!("trimmed oldest={oldest}"),
            SenderRecord::Rewound { to } => format!("rewound to={to}"),
        }
    }

    fn query(RowsQuery { first, count }: &RowsQuery) -> String {
        format!("rows first={first} count={count}")
    }

    fn report(report: &SenderReport) -> String {
        match report {
            SenderReport::Refused(request, why) => format!("refused request={} {why:?}", request.0),
            SenderReport::Link(state) => format!("link {state:?}"),
            SenderReport::Resending { from, to } => format!("resending after={from} to={to}"),
            SenderReport::Rewound { from, to } => format!("rewound from={from} to={to}"),
            SenderReport::Missing { from, to } => format!("missing {from}..{to}"),
            SenderReport::Fenced(why) => format!("fenced {why:?}"),
            SenderReport::Misbehaved(what) => format!("misbehaved: {what}"),
            SenderReport::StoreLost => "store lost".to_owned(),
        }
    }

    fn timer(timer: SenderTimer) -> &'static str {
        match timer {
            SenderTimer::Retry => "retry",
            SenderTimer::Heartbeat => "heartbeat",
        }
    }
}

impl<B: Readable> Speech for Receiver<B> {
    fn notice(Alive { credit }: &Alive) -> String {
        format!("alive credit={credit}")
    }

    fn claim(claim: &ReceiverClaim<B>) -> String {
        match claim {
            ReceiverClaim::Welcome {
                epoch,
                session,
                high,
                credit,
            } => format!("welcome epoch={epoch} session={session} mark={high} credit={credit}"),
            ReceiverClaim::Ack {
                epoch,
                high,
                codes: answer,
                credit,
            } => {
                let answer = answer.as_ref().map_or(String::new(), |answer| {
                    format!(" codes of the batch at {}={}", answer.first, codes(&answer.codes))
                });
                format!("ack epoch={epoch} mark={high}{answer} credit={credit}")
            }
            ReceiverClaim::Fenced { epoch } => format!("fenced epoch={epoch}"),
        }
    }

    fn event(ReceiverEvent::Applied(to): &ReceiverEvent) -> String {
        format!("applied to={to}")
    }

    fn record(record: &ReceiverRecord<B>) -> String {
        match record {
            ReceiverRecord::Adopted(epoch) => format!("adopted epoch={epoch}"),
            ReceiverRecord::Skipped { from, to } => format!("skipped {from}..{to}"),
            ReceiverRecord::Applied { first, bodies, high } => {
                format!("applied from={first} ({}) mark={high}", rows(bodies))
            }
            #[allow(unreachable_patterns, reason = "with seeded bugs there may be more")]
            other => format!("{other:?}"),
        }
    }

    fn query(query: &CodesQuery<B>) -> String {
        format!(
            "codes of {} for the batch at {}",
            households(&query.households),
            query.first
        )
    }

    fn report(report: &ReceiverReport) -> String {
        match report {
            ReceiverReport::Silent => "edge silent".to_owned(),
            ReceiverReport::Backlog(rows) => format!("backlog {rows}"),
            ReceiverReport::Returned => "edge returned".to_owned(),
            ReceiverReport::Gap { high, first } => format!("gap mark={high} batch at {first}"),
            ReceiverReport::Repeated { rows } => format!("repeated rows={rows}"),
            ReceiverReport::Missing { from, to } => format!("missing {from}..{to}"),
            ReceiverReport::Fenced(epoch) => format!("fenced epoch={epoch}"),
            ReceiverReport::EpochsFull(epoch) => format!("no room for epoch={epoch}"),
            ReceiverReport::Adopted(epoch) => format!("adopted epoch={epoch}"),
            ReceiverReport::Misbehaved(what) => format!("misbehaved: {what}"),
            ReceiverReport::StoreLost => "store lost".to_owned(),
        }
    }

    fn timer(ReceiverTimer::Silence: ReceiverTimer) -> &'static str {
        "silence"
    }
}

impl Speech for Pipeline {
    fn notice(notice: &Heartbeat) -> String {
        Sender::<Tuple>::notice(notice)
    }

    fn claim(claim: &SenderClaim<Tuple>) -> String {
        Sender::claim(claim)
    }

    fn event(event: &PipelineEvent) -> String {
        match event {
            PipelineEvent::Sender(event) => Sender::<Tuple>::event(event),
            PipelineEvent::Closed(tuple) => format!("closed ({})", tuple.text()),
        }
    }

    fn record(record: &PipelineRecord) -> String {
        match record {
            PipelineRecord::Position { partition, next } => format!("position partition={partition} next={next}"),
            PipelineRecord::Window(record) => window_record(record),
            PipelineRecord::Sender(record) => Sender::record(record),
            PipelineRecord::SetAside(item) => set_aside(item),
        }
    }

    fn query(query: &RowsQuery) -> String {
        Sender::<Tuple>::query(query)
    }

    fn report(report: &PipelineReport) -> String {
        match report {
            PipelineReport::Position {
                request,
                partition,
                expected,
            } => format!(
                "refused request={} partition={partition} expected={expected}",
                request.0
            ),
            PipelineReport::Refused(request, why) => format!("refused request={} {why:?}", request.0),
            PipelineReport::SetAside(why) => format!("set aside {why:?}"),
            PipelineReport::Sender(report) => Sender::<Tuple>::report(report),
        }
    }

    fn timer(timer: PipelineTimer) -> &'static str {
        match timer {
            PipelineTimer::Window(WindowTimer::Sweep) => "sweep",
            PipelineTimer::Sender(timer) => Sender::<Tuple>::timer(timer),
        }
    }
}

fn window_record(record: &WindowRecord) -> String {
    match record {
        WindowRecord::Kept(reading) => format!("kept {}", reading_text(reading)),
        WindowRecord::Closed {
            household,
            start_ms,
            until_ms,
            revision,
        } => format!("closed {household}@{start_ms} until={until_ms} revision={revision}"),
        WindowRecord::Forgotten { household, before_ms } => format!("forgotten {household} before={before_ms}"),
    }
}

fn set_aside(item: &SetAside) -> String {
    let SetAside {
        why,
        partition,
        position,
        after,
        reading,
        raw,
    } = item;
    let what = match reading {
        Some(reading) => format!(" {}", reading_text(reading)),
        None if raw.is_empty() => String::new(),
        None => format!(" {:?}", String::from_utf8_lossy(raw)),
    };
    format!("set aside {why:?} partition={partition} {position}..{after}{what}")
}

fn reading_text(reading: &Reading) -> String {
    let register = reading
        .register
        .map_or(String::new(), |register| format!(" register={register}"));
    format!(
        "{}@{} power={}{register}",
        reading.household, reading.time_ms, reading.power_mw
    )
}
