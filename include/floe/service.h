/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FLOE_SERVICE_H
#define FLOE_SERVICE_H

/*
 * Services: a request goes to one of several servers, and each response comes back to the client
 * that asked.
 *
 *	floe_client_open  ->  { floe_client_loan  ->  floe_client_send or floe_client_discard,
 *				floe_client_take  ->  floe_client_release }*
 *			  ->  floe_client_close
 *	floe_server_open  ->  { floe_server_take  ->  { floe_server_loan  ->  floe_server_send }*
 *				or floe_server_end }*
 *			  ->  floe_server_close
 *
 * Requests and responses lie in memory of their sender and are read there. Between one client and
 * one server is a ring of messages each way, which nobody else reads: a client costs the others
 * nothing. Clients and servers come and go in any order.
 *
 * Each request that was sent ends exactly once: with its last response, or with an error when the
 * server dies or leaves, when the deadline passes, when the client cancels it, or when the server
 * says so. Before the last one there may be any number of others.
 *
 * Results, threads, fork and blocking: as in floe.h. A handle is used by one thread at a time. Only
 * the calls with wait in their name block; those that open, and those that meet a peer for the first
 * time (floe_client_loan, floe_server_take, and all that wait), read and make files on tmpfs.
 */

#include <floe/floe.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A service's name: 1 to this many bytes, else as a topic's. Its topics are NAME@service,
 * NAME@server.<id> and NAME@client.<id>. */
#define FLOE_SERVICE_NAME_MAX 200

/* At the same time of one service, and clients of one server. More: -EMFILE. */
#define FLOE_SERVERS_MAX 32
#define FLOE_CLIENTS_MAX 64

/* Limit of active_max below. */
#define FLOE_REQUESTS_MAX 255

/* Zero means the default, and sizes are as in floe.h. */
struct floe_client_options {
	size_t size;
	size_t payload_max; /* bytes of the largest request, default 64 KiB */
	size_t active_max;  /* requests sent and not yet ended by their server, default 8 */
	size_t loans_max;   /* requests on loan from one server's ring, default 4 */
	size_t holds_max;   /* responses held at the same time, default 4 */
	/* Clients and servers that name both types must agree in both. Names: up to 60 bytes each. */
	const struct floe_type *request;
	const struct floe_type *response;
	uint64_t spin_ns; /* waiting looks so long before it sleeps, default 20 us; 1: at once */
	uint32_t mode;    /* who may read what it sends, as for publishers */
	const char *dir;
	const char *domain;
	struct floe_error *error;
	/* That each server must have, as for subscribers. */
	const struct floe_attribute *attributes;
	size_t attributes_count;
	/* Beside each request that it sends, and beside each response, lies a header of this type, as of a
	 * publisher; NULL: none. Each is one of FLOE_ATTRIBUTES_MAX, whose key (request.header,
	 * response.header) nobody else uses. */
	const struct floe_type *request_header;
	const struct floe_type *response_header;
};

struct floe_server_options {
	size_t size;
	size_t payload_max;   /* bytes of the largest response, default 64 KiB */
	size_t active_max;    /* requests taken and not ended, default 8 */
	size_t responses_max; /* that a client has not read, beside last ones; default 8 */
	const struct floe_type *request;
	const struct floe_type *response;
	uint64_t spin_ns;
	uint32_t mode;
	const char *dir;
	const char *domain;
	struct floe_error *error;
	/* As for publishers: two servers with the same key have the same value. floe_view_attributes shows
	 * them on the topic NAME@service. */
	const struct floe_attribute *attributes;
	size_t attributes_count;
	/* Clients that name one of these must have the same, in name, size, alignment and hash; a client must
	 * send the header that its server wants. Each is one of FLOE_ATTRIBUTES_MAX. */
	const struct floe_type *request_header;
	const struct floe_type *response_header;
};

struct floe_client;
struct floe_server;

/* What a client takes: a response that it reads until it releases it, or the end of a request. */
struct floe_response {
	const void *data; /* NULL: none */
	size_t size;
	uint64_t request; /* the number that floe_client_send gave */
	/*
	 * 1: more will come; 0: this was the last; < 0: it ended without one:
	 *   -EPIPE the server died or left; -ETIMEDOUT its deadline passed; -ECANCELED
	 *   floe_client_cancel; -EPROTO the server broke the rules; another -errno: the server's own.
	 */
	int32_t status;
	uint32_t reserved;
	uint64_t ticket; /* ours; leave it alone */
};

/* What a server takes: a request that it reads until it ends it. */
struct floe_request {
	const void *data;
	size_t size;
	uint64_t client; /* who asks: a number for each client that is open */
	uint64_t ticket; /* ours; leave it alone */
};

/*
 * Client
 */

/* Opens a client; no server has to be there. Errors as floe_subscriber_open. */
FLOE_PUBLIC int floe_client_open(struct floe_client **ret, const char *service,
				 const struct floe_client_options *options);

/* Requests that are out are forgotten, which their servers are told; responses and loans that are
 * out are lost with it. NULL is fine. */
FLOE_PUBLIC void floe_client_close(struct floe_client *client);

/* Exact bytes that a client takes in tmpfs when it has talked to so many servers that have the
 * default active_max; those of its process's file included, of each topic's file not. Each ring takes
 * whole pages. The length of its file (fstat(2)) is more: addresses for chunks that it never needs
 * here, and they take no memory. */
FLOE_PUBLIC ssize_t floe_client_memory_size(const struct floe_client_options *options,
					    size_t servers);

/*
 * Lends memory for a request of `size` bytes, 1 to payload_max, on the way to the server that has
 * fewest requests of this client; among equals they take turns.
 *   1; 0: active_max requests are out; -ENOTCONN no server is there; -EINVAL; -ENOBUFS loans_max
 *   loans are out; -EPROTOTYPE all servers want another header, which this client, who names nothing, was
 *   not told when it was opened; -EMFILE, -ENOSPC and the like: a server could not be reached for now.
 *   floe_client_explain has a sentence.
 */
FLOE_PUBLIC int floe_client_loan(struct floe_client *client, size_t size, struct floe_loan *ret);

/* Why no server could be sent anything by the last floe_client_loan that said so, in one sentence: which header
 * one wants and this client does not send, what ran out, or that nobody listens where one said. 1; 0 all could
 * so far; -EINVAL. No system call. */
FLOE_PUBLIC int floe_client_explain(struct floe_client *client, struct floe_error *ret);

/* The header of a request that is on loan, to be written before it is sent; it holds what was there before.
 * NULL: not a loan of this client, or there is no request_header. No system call. */
FLOE_PUBLIC void *floe_client_loan_header(struct floe_client *client, const struct floe_loan *loan);

/*
 * Sends what was lent and empties the loan. On a result below 1 the loan stays as it is, and can be sent again.
 * deadline_ns: CLOCK_MONOTONIC; -1: none. ret_request, which may be NULL: the request's number,
 * never 0, not used again while this client lives.
 *   1 sent; 0 active_max requests are out; -EPIPE its server is gone: discard it and lend again;
 *   -EINVAL not a loan of this client; -EMFILE and the like: who listens could not be looked up for now
 */
FLOE_PUBLIC int floe_client_send(struct floe_client *client, struct floe_loan *loan,
				 int64_t deadline_ns, uint64_t *ret_request);

/* Gives the loan back unsent and empties it. An empty loan is fine. */
FLOE_PUBLIC void floe_client_discard(struct floe_client *client, struct floe_loan *loan);

/* Takes the next response of any request, or the end of one. 1; 0 nothing there, or somebody sends so
 * much that nobody asked for that the rest is left to the next call; -EINVAL; -ENOBUFS
 * there is one, but holds_max responses are held; -EMFILE, -ENOMEM and the like: there may be a
 * server that could not be looked at for now. */
FLOE_PUBLIC int floe_client_take(struct floe_client *client, struct floe_response *ret);

/* The header beside a response with data, until that is released; ret_size may be NULL. NULL, and a size of
 * 0: it has none, or is not held. A server that breaks the rules can leave out what was agreed on: look
 * before you read. No system call. */
FLOE_PUBLIC const void *floe_client_response_header(struct floe_client *client,
						    const struct floe_response *response,
						    size_t *ret_size);

/* Gives the response back and empties it. One without data is fine. */
FLOE_PUBLIC void floe_client_release(struct floe_client *client, struct floe_response *response);

/* Ends a request: the next take says -ECANCELED. Its server is told, and until it has ended the
 * request that counts for active_max. 1; 0 it had ended already; -EINVAL */
FLOE_PUBLIC int floe_client_cancel(struct floe_client *client, uint64_t request);

/* Waits until floe_client_take has something, a server is gone, or a deadline has passed; take may
 * find that it was a response to what had ended. 1; 0 deadline; -EINVAL; -EINTR a signal */
FLOE_PUBLIC int floe_client_wait(struct floe_client *client, int64_t deadline_ns);

/* Waits until a server is there. 1; 0 deadline; -EINVAL; -EINTR */
FLOE_PUBLIC int floe_client_wait_for_server(struct floe_client *client, int64_t deadline_ns);

/* As floe_subscriber_fd: readable while floe_client_take has something. A deadline of a request does
 * not make it readable: poll until the next of them. */
FLOE_PUBLIC int floe_client_fd(struct floe_client *client);

/*
 * Server
 */

/* Opens a server. -EMFILE: FLOE_SERVERS_MAX are there; others as floe_publisher_open. */
FLOE_PUBLIC int floe_server_open(struct floe_server **ret, const char *service,
				 const struct floe_server_options *options);

/* All requests that it has, and those that wait for it, end with -EPIPE. NULL is fine. */
FLOE_PUBLIC void floe_server_close(struct floe_server *server);

/* Exact bytes that a server takes in tmpfs with so many clients that have the defaults of active_max
 * and holds_max; as floe_client_memory_size. */
FLOE_PUBLIC ssize_t floe_server_memory_size(const struct floe_server_options *options,
					    size_t clients);

/*
 * Takes the next request; clients are served in turn. It must be ended: by its last response, or by
 * floe_server_end.
 *   1; 0 nothing there, or more of what nobody waits for than one call throws away, and the rest is left
 *   to the next; -EINVAL; -ENOBUFS active_max requests are not ended; -ENOSPC, -ENOMEM, -EMFILE and the
 *   like: there is one whose client cannot be answered for now. It is kept for the next take;
 *   -EPROTO, -EACCES once for each client whose ring is not what it must be, or may not be read: it is left
 *   out, and the next take goes on with the others. Where the server's own memory is gone
 *   (floe_guard_install) each call says -EPROTO, floe_server_count too: close it.
 * A client that can never be answered, because its topic is full or may not be written, is told by its
 * deadline only.
 */
FLOE_PUBLIC int floe_server_take(struct floe_server *server, struct floe_request *ret);

/* The header beside a request, until that is ended; as floe_client_response_header. */
FLOE_PUBLIC const void *floe_server_request_header(struct floe_server *server,
						   const struct floe_request *request,
						   size_t *ret_size);

/*
 * Lends memory for a response of `size` bytes, 1 to payload_max; one at a time for each request.
 *   1; 0: no chunk is free now; -EPIPE the client is gone: end the request; -ENOBUFS a response to
 *   it is on loan; -EINVAL; -ENOSPC and the like: there is no memory for what its readers hold
 */
FLOE_PUBLIC int floe_server_loan(struct floe_server *server, const struct floe_request *request,
				 size_t size, struct floe_loan *ret);

/* The header of the response that is on loan for this request; as floe_client_loan_header. */
FLOE_PUBLIC void *floe_server_loan_header(struct floe_server *server,
					  const struct floe_request *request,
					  const struct floe_loan *loan);

/*
 * Sends what was lent for this request. `more`: 0 it is the last response, and the request is ended.
 *   1 sent, the loan is empty, and without `more` the request too; 0 would block, which only
 *   happens with `more`: the client has responses_max responses to read; -ECANCELED only with
 *   `more`: it does not want them any more; -EPIPE the client is gone: without `more` loan and
 *   request are emptied; -EINVAL; -EMFILE and the like: who reads could not be looked up for now.
 *   Else loan and request stay as they are, and the request must be ended.
 */
FLOE_PUBLIC int floe_server_send(struct floe_server *server, struct floe_request *request,
				 struct floe_loan *loan, int more);

/* Gives the loan back unsent and empties it. An empty loan is fine. */
FLOE_PUBLIC void floe_server_discard(struct floe_server *server, const struct floe_request *request,
				     struct floe_loan *loan);

/* Ends a request without a further response: the client reads `status`, 0 that was all, or a -errno.
 * The request is emptied, a loan for it discarded. It needs no chunk and no memory, whatever payload_max and
 * headers are, so the client is told at once. 0; -EINVAL, also for a status above 0 */
FLOE_PUBLIC int floe_server_end(struct floe_server *server, struct floe_request *request,
				int status);

/* Does the client still want it? 1; 0 cancelled, or its deadline passed while the client looked;
 * -EPIPE the client is gone, as far as this server has noticed; -EINVAL. No system call. */
FLOE_PUBLIC int floe_server_is_wanted(struct floe_server *server,
				      const struct floe_request *request);

/* Waits until floe_server_take has something. 1; 0 deadline; -EINVAL; -EINTR */
FLOE_PUBLIC int floe_server_wait(struct floe_server *server, int64_t deadline_ns);

/*
 * As floe_subscriber_fd; a client that dies makes it readable too, and then floe_server_take, which
 * finds nothing, frees what was held for it. With EPOLLET take until that says 0: after -EPROTO and -EACCES at
 * once, after -ENOBUFS when a request has been ended, for what is behind makes no further edge. While a request
 * is kept it stays readable, and each take that does not get it makes an edge.
 */
FLOE_PUBLIC int floe_server_fd(struct floe_server *server);

/*
 * Counters
 */

struct floe_client_counts {
	uint64_t sent;
	uint64_t ended;  /* of these: take has said how */
	uint64_t failed; /* of these: because the server was gone, or broke the rules */
	uint64_t timed_out;
	uint64_t cancelled;
	uint64_t responses; /* taken, with data */
	uint64_t late;      /* responses that came after the end, dropped */
	uint64_t active;    /* requests now that their server has not ended */
	uint64_t held;      /* responses now */
	uint64_t servers;   /* that are there */
};

struct floe_server_counts {
	uint64_t taken;
	uint64_t ended;
	uint64_t responses;   /* sent, with data */
	uint64_t would_block; /* responses that a client had no room for */
	uint64_t abandoned;   /* requests that ended after their client was gone, or were not taken
			       * because of that */
	uint64_t active;      /* requests now */
	uint64_t clients;     /* that are there */
};

/* Both write `ret_size` bytes at most: pass sizeof the struct. 0 or -EINVAL. */
FLOE_PUBLIC int floe_client_count(struct floe_client *client, struct floe_client_counts *ret,
				  size_t ret_size);
FLOE_PUBLIC int floe_server_count(struct floe_server *server, struct floe_server_counts *ret,
				  size_t ret_size);

#ifdef __cplusplus
}
#endif
#endif
