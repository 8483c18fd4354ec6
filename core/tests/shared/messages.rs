//! Every message, input and recovered state, at random.

use pehra_core::delivery::*;
use pehra_core::pipeline::*;
use pehra_core::protocol::{Drawn, Input, Recovered};
use pehra_core::types::{EdgeName, Household, NodeId, RequestId};
use pehra_core::window::*;
use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;

pub fn edge_name() -> impl Strategy<Value = EdgeName> {
    "[a-zéß]{1,20}".prop_map(|text| EdgeName::new(&text).unwrap())
}

/// Few, so that they repeat.
pub fn household() -> impl Strategy<Value = Household> {
    "(h[0-9]|[a-zü]{1,30})".prop_map(|text| Household::new(&text).unwrap())
}

fn seq() -> impl Strategy<Value = Seq> {
    number().prop_map(Seq)
}

/// Small ones, and those at the ends of the range.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..300_u64, any::<u64>(), Just(u64::MAX)]
}

fn signed() -> impl Strategy<Value = i64> {
    prop_oneof![-300..300_i64, any::<i64>(), Just(i64::MIN), Just(i64::MAX)]
}

pub fn tuple() -> impl Strategy<Value = Tuple> {
    let window = (
        signed(),
        any::<u32>(),
        signed(),
        signed(),
        option::of(number()),
        option::of(number()),
        any::<u32>(),
    )
        .prop_map(
            |(sum_mw, n, min_mw, max_mw, first_register, last_register, revision)| Span::Window {
                sum_mw,
                n,
                min_mw,
                max_mw,
                first_register,
                last_register,
                revision,
            },
        );
    let gap = signed().prop_map(|until_ms| Span::Gap { until_ms });
    (household(), signed(), prop_oneof![3 => window, 1 => gap]).prop_map(|(household, start_ms, span)| Tuple {
        household,
        start_ms,
        span,
    })
}

pub fn rows() -> impl Strategy<Value = Rows<Tuple>> {
    (seq(), vec(tuple(), 0..12), btree_set(household(), 0..4)).prop_map(|(first, bodies, asks)| Rows {
        first,
        bodies,
        asks: asks.into_iter().collect(),
    })
}

fn codes() -> impl Strategy<Value = Vec<(Household, Code)>> {
    vec((household(), any::<[u8; 5]>().prop_map(Code)), 0..5)
}

pub fn uplink() -> impl Strategy<Value = Uplink<Tuple>> {
    prop_oneof![
        number().prop_map(|backlog| Uplink::Heartbeat(Heartbeat { backlog })),
        (number(), number(), seq()).prop_map(|(epoch, session, oldest)| Uplink::Claim(SenderClaim::Hello {
            epoch,
            session,
            oldest
        })),
        (number(), rows()).prop_map(|(epoch, rows)| Uplink::Claim(SenderClaim::Batch { epoch, rows })),
    ]
}

pub fn downlink() -> impl Strategy<Value = Downlink<Tuple>> {
    let codes = (seq(), codes()).prop_map(|(first, codes)| Codes { first, codes });
    prop_oneof![
        any::<u32>().prop_map(|credit| Downlink::Alive(Alive { credit })),
        (number(), number(), seq(), any::<u32>()).prop_map(|(epoch, session, high, credit)| {
            Downlink::Claim(ReceiverClaim::Welcome {
                epoch,
                session,
                high,
                credit,
            })
        }),
        (number(), seq(), option::of(codes), any::<u32>()).prop_map(|(epoch, high, codes, credit)| {
            Downlink::Claim(ReceiverClaim::Ack {
                epoch,
                high,
                codes,
                credit,
            })
        }),
        number().prop_map(|epoch| Downlink::Claim(ReceiverClaim::Fenced { epoch })),
    ]
}

fn content() -> impl Strategy<Value = Content> {
    let reading = (household(), signed(), signed(), option::of(number()), signed()).prop_map(
        |(household, time_ms, power_mw, register, now_ms)| {
            let reading = Reading {
                household,
                time_ms,
                power_mw,
                register,
            };
            Content::Reading(Take { reading, now_ms })
        },
    );
    prop_oneof![
        reading,
        vec(any::<u8>(), 0..40).prop_map(Content::Unreadable),
        Just(Content::Gone)
    ]
}

pub fn pipeline_input() -> impl Strategy<Value = Input<Pipeline>> {
    let timer = prop_oneof![
        Just(PipelineTimer::Window(WindowTimer::Sweep)),
        Just(PipelineTimer::Sender(SenderTimer::Retry)),
        Just(PipelineTimer::Sender(SenderTimer::Heartbeat)),
    ];
    prop_oneof![
        (any::<u16>(), downlink()).prop_map(|(from, message)| Input::Received {
            from: NodeId(from),
            message
        }),
        timer.prop_map(Input::Fired),
        (number(), any::<u16>(), number(), number(), content()).prop_map(
            |(request, partition, before, after, content)| {
                let taken = Taken {
                    partition,
                    before,
                    after,
                    content,
                };
                Input::Commanded(RequestId(request), taken)
            }
        ),
        (seq(), any::<u32>(), rows()).prop_map(|(first, count, rows)| Input::Fetched {
            query: RowsQuery { first, count },
            rows
        }),
        number().prop_map(|nonce| Input::Drawn(Drawn::Nonce(nonce))),
        (any::<u16>(), any::<bool>()).prop_map(|(peer, up)| Input::Link { peer: NodeId(peer), up }),
        any::<bool>().prop_map(Input::Stalled),
        Just(Input::Paused),
    ]
}

pub fn receiver_input() -> impl Strategy<Value = Input<Receiver<Tuple>>> {
    prop_oneof![
        (any::<u16>(), uplink()).prop_map(|(from, message)| Input::Received {
            from: NodeId(from),
            message
        }),
        Just(Input::Fired(ReceiverTimer::Silence)),
        (number(), seq(), seq(), vec(household(), 0..4), codes()).prop_map(|(epoch, first, last, households, rows)| {
            let query = CodesQuery {
                epoch,
                first,
                last,
                households,
            };
            Input::Fetched { query, rows }
        }),
        number().prop_map(|nonce| Input::Drawn(Drawn::Nonce(nonce))),
        (any::<u16>(), any::<bool>()).prop_map(|(peer, up)| Input::Link { peer: NodeId(peer), up }),
        any::<bool>().prop_map(Input::Stalled),
        Just(Input::Paused),
    ]
}

fn recovered<D: Clone + std::fmt::Debug>(known: impl Strategy<Value = D>) -> impl Strategy<Value = Recovered<D>> {
    prop_oneof![1 => Just(None), 1 => Just(Some(None)), 8 => known.prop_map(|known| Some(Some(known)))].prop_map(
        |choice| match choice {
            None => Recovered::Fresh,
            Some(None) => Recovered::Lost,
            Some(Some(known)) => Recovered::Known(known),
        },
    )
}

fn house() -> impl Strategy<Value = House> {
    let kept = (signed(), signed(), option::of(number())).prop_map(|(time_ms, power_mw, register)| Kept {
        time_ms,
        power_mw,
        register,
    });
    let closed = (signed(), any::<u32>()).prop_map(|(start_ms, revision)| Closed { start_ms, revision });
    (household(), vec(kept, 0..5), vec(closed, 0..5), signed())
        .prop_map(|(name, kept, closed, until_ms)| House::restore(name, kept, closed, until_ms))
}

pub fn pipeline_recovered() -> impl Strategy<Value = Recovered<PipelineDurable>> {
    let sender = (option::of(number()), seq(), seq(), seq(), seq()).prop_map(|(epoch, last, sent, acked, oldest)| {
        SenderDurable {
            epoch,
            last,
            sent,
            acked,
            oldest,
        }
    });
    let known = (vec((any::<u16>(), number()), 0..5), vec(house(), 0..4), sender);
    recovered(known.prop_map(|(positions, houses, sender)| PipelineDurable {
        positions,
        houses,
        sender,
    }))
}

pub fn receiver_recovered() -> impl Strategy<Value = Recovered<ReceiverDurable>> {
    let known = (option::of(number()), seq(), vec(number(), 0..=RETIRED_MAX)).prop_map(|(epoch, high, epochs)| {
        let mut retired = Retired::default();
        for epoch in epochs {
            retired.push(epoch);
        }
        ReceiverDurable { epoch, high, retired }
    });
    recovered(known)
}
