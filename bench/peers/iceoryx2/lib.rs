// SPDX-License-Identifier: Apache-2.0

//! iceoryx2, behind the calls of bench/peers/peer.h, so that the loops around it are those of all
//! other peers.
//!
//! As its documentation has it: one service for each channel, of slices, sized for the channel;
//! without overflow, and publishers that retry, so that nothing is lost. Who sleeps does so on an event
//! service beside the data, and who sends then notifies it, as in its example of event-based
//! communication. Requests and responses are its own.

use core::cell::RefCell;
use core::ffi::{c_char, c_uint, c_void, CStr};
use std::rc::Rc;
use std::time::Duration;

use iceoryx2::active_request::ActiveRequest;
use iceoryx2::pending_response::PendingResponse;
use iceoryx2::port::client::Client;
use iceoryx2::port::listener::Listener;
use iceoryx2::port::notifier::Notifier;
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::server::Server;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::port::update_connections::UpdateConnections;
use iceoryx2::prelude::*;
use iceoryx2::request_mut::RequestMut;
use iceoryx2::response::Response;
use iceoryx2::response_mut::ResponseMut;
use iceoryx2::sample::Sample;
use iceoryx2::sample_mut::SampleMut;
use iceoryx2::service::port_factory::event;
use iceoryx2::service::port_factory::publish_subscribe;
use iceoryx2::service::port_factory::request_response;

type S = ipc::Service;
type Words = [u64];
type Pending = Rc<RefCell<Option<PendingResponse<S, Words, (), Words, ()>>>>;
type Active = Rc<RefCell<Option<ActiveRequest<S, Words, (), Words, ()>>>>;

#[repr(C)]
pub struct Channel {
    name: *const c_char,
    payload: usize,
    depth: c_uint,
    senders: c_uint,
    receivers: c_uint,
    sleeps: bool,
}

#[allow(clippy::large_enum_variant)]
enum Out {
    Publisher(Publisher<S, Words, ()>, Option<SampleMut<S, Words, ()>>),
    Client(
        Client<S, Words, (), Words, ()>,
        Option<RequestMut<S, Words, (), Words, ()>>,
        Pending,
    ),
    Server(Active, Option<ResponseMut<S, Words, ()>>),
}

#[allow(clippy::large_enum_variant)]
enum In {
    Subscriber(Subscriber<S, Words, ()>, Option<Sample<S, Words, ()>>),
    Client(Pending, Option<Response<S, Words, ()>>),
    Server(Server<S, Words, (), Words, ()>, Active),
}

/// The service that the other side is counted in.
enum Service {
    Topic(publish_subscribe::PortFactory<S, Words, ()>),
    Calls(request_response::PortFactory<S, Words, (), Words, ()>),
}

pub struct PeerSender {
    out: Out,
    notifier: Option<Notifier<S>>,
    bell: Option<event::PortFactory<S>>,
    service: Rc<Service>,
    words: usize,
    others: usize,
}

pub struct PeerReceiver {
    from: In,
    listener: Option<Listener<S>>,
    service: Rc<Service>,
    others: usize,
}

extern "C" {
    fn fail(format: *const c_char, ...) -> !;
    fn session_dir() -> *const c_char;
}

fn check<T, E: core::fmt::Debug>(result: Result<T, E>, what: &str) -> T {
    match result {
        Ok(value) => value,
        Err(error) => {
            let text = format!("{what}: {error:?}\0");
            unsafe { fail(c"%s".as_ptr(), text.as_ptr() as *const c_char) }
        }
    }
}

thread_local! {
    static NODE: RefCell<Option<Node<S>>> = const { RefCell::new(None) };
}

#[no_mangle]
pub static peer_in_threads: bool = false;

/// All its files and all its shared memory are those of this run.
#[no_mangle]
pub extern "C" fn peer_enter(_who: *const c_char) {
    let dir = unsafe { CStr::from_ptr(session_dir()) }.to_bytes();
    let base = dir.rsplit(|byte| *byte == b'/').next().unwrap_or(dir);
    let mut config = Config::default();

    set_log_level(LogLevel::Fatal);
    config
        .global
        .set_root_path(&check(Path::new(dir), "the root path"));
    config.global.prefix = check(FileName::new(&[base, b"_"].concat()), "the prefix");
    let node = check(
        NodeBuilder::new().config(&config).create::<S>(),
        "cannot create a node",
    );
    NODE.with(|slot| *slot.borrow_mut() = Some(node));
}

#[no_mangle]
pub extern "C" fn peer_leave() {
    NODE.with(|slot| *slot.borrow_mut() = None);
}

fn with_node<T>(run: impl FnOnce(&Node<S>) -> T) -> T {
    NODE.with(|slot| run(slot.borrow().as_ref().expect("peer_enter comes first")))
}

fn name_of(channel: &Channel, part: &str) -> ServiceName {
    let name = unsafe { CStr::from_ptr(channel.name) }.to_string_lossy();

    check(
        ServiceName::new(&format!("{name}{part}")),
        "the name of a service",
    )
}

fn open_topic(channel: &Channel) -> publish_subscribe::PortFactory<S, Words, ()> {
    let service = with_node(|node| {
        node.service_builder(&name_of(channel, ""))
            .publish_subscribe::<Words>()
            .max_publishers(channel.senders as usize)
            .max_subscribers(channel.receivers as usize)
            .max_nodes(2)
            .subscriber_max_buffer_size(channel.depth as usize)
            .subscriber_max_borrowed_samples(1)
            .history_size(0)
            .enable_safe_overflow(false)
            .open_or_create()
    });
    check(service, "cannot open a service")
}

fn open_calls(channel: &Channel) -> request_response::PortFactory<S, Words, (), Words, ()> {
    let service = with_node(|node| {
        node.service_builder(&name_of(channel, ""))
            .request_response::<Words, Words>()
            .max_clients(1)
            .max_servers(1)
            .max_nodes(2)
            .max_active_requests_per_client(1)
            .max_loaned_requests(1)
            .max_response_buffer_size(1)
            .max_borrowed_responses_per_pending_response(1)
            .open_or_create()
    });
    check(service, "cannot open a service")
}

fn open_bell(channel: &Channel, part: &str) -> event::PortFactory<S> {
    let service = with_node(|node| {
        node.service_builder(&name_of(channel, part))
            .event()
            .max_notifiers(channel.senders as usize)
            .max_listeners(channel.receivers as usize)
            .max_nodes(2)
            .event_id_max_value(0)
            .open_or_create()
    });
    check(service, "cannot open an event service")
}

fn new_sender(channel: &Channel, service: Rc<Service>, out: Out, part: &str) -> *mut PeerSender {
    let bell = channel.sleeps.then(|| open_bell(channel, part));
    let notifier = bell
        .as_ref()
        .map(|bell| check(bell.notifier_builder().create(), "cannot create a notifier"));

    Box::into_raw(Box::new(PeerSender {
        out,
        notifier,
        bell,
        service,
        words: channel.payload / 8,
        others: channel.receivers as usize,
    }))
}

fn new_receiver(channel: &Channel, service: Rc<Service>, from: In, part: &str) -> *mut PeerReceiver {
    let listener = channel.sleeps.then(|| {
        let bell = open_bell(channel, part);

        check(bell.listener_builder().create(), "cannot create a listener")
    });

    Box::into_raw(Box::new(PeerReceiver {
        from,
        listener,
        service,
        others: channel.senders as usize,
    }))
}

/// # Safety
/// As peer.h says; so for all below.
#[no_mangle]
pub unsafe extern "C" fn peer_sender_open(channel: *const Channel, _index: c_uint) -> *mut PeerSender {
    let channel = &*channel;
    let topic = open_topic(channel);
    let publisher = topic
        .publisher_builder()
        .initial_max_slice_len(channel.payload / 8)
        .max_loaned_samples(1)
        .backpressure_strategy(BackpressureStrategy::RetryUntilDelivered)
        .create();
    let publisher = check(publisher, "cannot create a publisher");

    new_sender(channel, Rc::new(Service::Topic(topic)), Out::Publisher(publisher, None), ".bell")
}

#[no_mangle]
pub unsafe extern "C" fn peer_receiver_open(channel: *const Channel, _index: c_uint) -> *mut PeerReceiver {
    let channel = &*channel;
    let topic = open_topic(channel);
    let subscriber = check(topic.subscriber_builder().create(), "cannot create a subscriber");

    new_receiver(channel, Rc::new(Service::Topic(topic)), In::Subscriber(subscriber, None), ".bell")
}

#[no_mangle]
pub unsafe extern "C" fn peer_client_open(
    channel: *const Channel,
    ret_requests: *mut *mut PeerSender,
    ret_responses: *mut *mut PeerReceiver,
) {
    let channel = &*channel;
    let calls = open_calls(channel);
    let pending = Pending::default();
    let client = calls
        .client_builder()
        .initial_max_slice_len(channel.payload / 8)
        .backpressure_strategy(BackpressureStrategy::RetryUntilDelivered)
        .create();
    let client = check(client, "cannot create a client");
    let service = Rc::new(Service::Calls(calls));

    *ret_responses = new_receiver(channel, service.clone(), In::Client(pending.clone(), None), ".say");
    *ret_requests = new_sender(channel, service, Out::Client(client, None, pending), ".ask");
}

#[no_mangle]
pub unsafe extern "C" fn peer_server_open(
    channel: *const Channel,
    ret_requests: *mut *mut PeerReceiver,
    ret_responses: *mut *mut PeerSender,
) {
    let channel = &*channel;
    let calls = open_calls(channel);
    let active = Active::default();
    let server = calls
        .server_builder()
        .initial_max_slice_len(channel.payload / 8)
        .max_loaned_responses_per_request(1)
        .backpressure_strategy(BackpressureStrategy::RetryUntilDelivered)
        .create();
    let server = check(server, "cannot create a server");
    let service = Rc::new(Service::Calls(calls));

    *ret_requests = new_receiver(channel, service.clone(), In::Server(server, active.clone()), ".ask");
    *ret_responses = new_sender(channel, service, Out::Server(active, None), ".say");
}

fn wait_for(wanted: usize, count: impl Fn() -> usize) {
    while count() < wanted {
        std::thread::sleep(Duration::from_micros(50));
    }
}

#[no_mangle]
pub unsafe extern "C" fn peer_sender_meet(sender: *mut PeerSender) {
    let sender = &*sender;

    match (&*sender.service, &sender.out) {
        (Service::Topic(topic), Out::Publisher(publisher, _)) => {
            wait_for(sender.others, || topic.dynamic_config().number_of_subscribers());
            check(publisher.update_connections(), "cannot connect");
        }
        (Service::Calls(calls), Out::Client(..)) => {
            wait_for(1, || calls.dynamic_config().number_of_servers())
        }
        (Service::Calls(calls), _) => wait_for(1, || calls.dynamic_config().number_of_clients()),
        _ => (),
    }
    if let Some(bell) = &sender.bell {
        wait_for(sender.others, || bell.dynamic_config().number_of_listeners());
    }
}

#[no_mangle]
pub unsafe extern "C" fn peer_receiver_meet(receiver: *mut PeerReceiver) {
    let receiver = &*receiver;

    if let (Service::Topic(topic), In::Subscriber(subscriber, _)) = (&*receiver.service, &receiver.from) {
        wait_for(receiver.others, || topic.dynamic_config().number_of_publishers());
        check(subscriber.has_samples(), "cannot connect");
    }
}

#[no_mangle]
pub unsafe extern "C" fn peer_loan(sender: *mut PeerSender) -> *mut c_void {
    let sender = &mut *sender;
    let words = sender.words;

    match &mut sender.out {
        Out::Publisher(publisher, loan) => {
            let sample = check(publisher.loan_slice_uninit(words), "loan").assume_init();
            loan.insert(sample).payload_mut().as_mut_ptr() as *mut c_void
        }
        Out::Client(client, loan, _) => {
            let request = check(client.loan_slice_uninit(words), "loan").assume_init();
            loan.insert(request).payload_mut().as_mut_ptr() as *mut c_void
        }
        Out::Server(active, loan) => {
            let active = active.borrow();
            let request = active.as_ref().expect("a request comes first");
            let response = check(request.loan_slice_uninit(words), "loan").assume_init();
            loan.insert(response).payload_mut().as_mut_ptr() as *mut c_void
        }
    }
}

#[no_mangle]
pub unsafe extern "C" fn peer_send(sender: *mut PeerSender) -> bool {
    let sender = &mut *sender;

    match &mut sender.out {
        Out::Publisher(_, loan) => {
            check(loan.take().expect("a loan comes first").send(), "send");
        }
        Out::Client(_, loan, pending) => {
            let sent = check(loan.take().expect("a loan comes first").send(), "send");
            *pending.borrow_mut() = Some(sent);
        }
        Out::Server(_, loan) => check(loan.take().expect("a loan comes first").send(), "send"),
    }
    if let Some(notifier) = &sender.notifier {
        check(notifier.notify(), "notify");
    }
    true
}

#[no_mangle]
pub unsafe extern "C" fn peer_take(receiver: *mut PeerReceiver) -> *const c_void {
    let receiver = &mut *receiver;

    match &mut receiver.from {
        In::Subscriber(subscriber, held) => match check(subscriber.receive(), "receive") {
            Some(sample) => held.insert(sample).payload().as_ptr() as *const c_void,
            None => core::ptr::null(),
        },
        In::Client(pending, held) => {
            let pending = pending.borrow();
            let response = pending.as_ref().map(|pending| check(pending.receive(), "receive"));

            match response.flatten() {
                Some(response) => held.insert(response).payload().as_ptr() as *const c_void,
                None => core::ptr::null(),
            }
        }
        In::Server(server, active) => match check(server.receive(), "receive") {
            Some(request) => active.borrow_mut().insert(request).payload().as_ptr() as *const c_void,
            None => core::ptr::null(),
        },
    }
}

#[no_mangle]
pub unsafe extern "C" fn peer_release(receiver: *mut PeerReceiver) {
    match &mut (*receiver).from {
        In::Subscriber(_, held) => *held = None,
        In::Client(pending, held) => {
            *held = None;
            *pending.borrow_mut() = None;
        }
        In::Server(_, active) => *active.borrow_mut() = None,
    }
}

#[no_mangle]
pub unsafe extern "C" fn peer_wait(receiver: *mut PeerReceiver) {
    if let Some(listener) = &(*receiver).listener {
        check(listener.blocking_wait(|_| ()), "wait");
    }
}

#[no_mangle]
pub unsafe extern "C" fn peer_sender_close(sender: *mut PeerSender) {
    drop(Box::from_raw(sender));
}

#[no_mangle]
pub unsafe extern "C" fn peer_receiver_close(receiver: *mut PeerReceiver) {
    drop(Box::from_raw(receiver));
}
