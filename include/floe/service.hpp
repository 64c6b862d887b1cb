/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FLOE_SERVICE_HPP
#define FLOE_SERVICE_HPP

/*
 * Services for C++17: the calls of <floe/service.h> as types that give back what they hold, as those of
 * <floe/floe.hpp>.
 *
 *	floe::client<question, answer>  c;  c.open("sum")
 *		c.loan()  ->  c.send(std::move(loan))  ->  c.take()  ->  a response, released at its end
 *	floe::server<question, answer>  s;  s.open("sum")
 *		s.take()  ->  a request  ->  request.loan()  ->  request.send(std::move(loan))
 *
 * A request or a response is a T, or T[]: as many T as each loan asks for. Client and server tell each other
 * what both are, if floe::type_name has a name for both.
 *
 * Nothing is thrown and nothing is allocated here; results are those of the C calls. What is not there is
 * false, and says why in result().
 */

#include <floe/floe.hpp>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#endif
#include <floe/service.h>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

namespace floe
{

using options_for_client = floe_client_options;
using options_for_server = floe_server_options;

template <class Request, class Response> class client;
template <class Request, class Response> class server;
template <class Request, class Response> class request;

namespace detail
{

template <class T> constexpr bool fits(std::size_t size) noexcept
{
	return message<T>::is_array ? size % sizeof(typename message<T>::element) == 0
				    : size == message<T>::size;
}

/* Both types are named, or neither is; of a T a payload is as large as that, unless there is a payload_max. */
template <class Sent, class O>
void complete(O &options, const floe_type *request, const floe_type *response) noexcept
{
	options.size = sizeof(options);
	if (!options.payload_max && !message<Sent>::is_array)
		options.payload_max = message<Sent>::size;
	if (options.request || options.response || !request->name || !response->name)
		return;
	options.request = request;
	options.response = response;
}

/* What a loan of T looks like to who writes it. */
template <class T> class written
{
	using element = typename message<T>::element;

      public:
	explicit operator bool() const noexcept
	{
		return loan_.data != nullptr;
	}
	int result() const noexcept
	{
		return result_;
	} /* of floe_client_loan, floe_server_loan */
	element *get() const noexcept
	{
		return static_cast<element *>(loan_.data);
	}
	element *operator->() const noexcept
	{
		return get();
	}
	element &operator*() const noexcept
	{
		return *get();
	}
	/* For T[]; size() is in elements. */
	element &operator[](std::size_t index) const noexcept
	{
		return get()[index];
	}
	std::size_t size() const noexcept
	{
		return loan_.size / sizeof(element);
	}
	element *begin() const noexcept
	{
		return get();
	}
	element *end() const noexcept
	{
		return get() + size();
	}
	/* Only so many elements will be sent, 1 to size(). */
	void shrink(std::size_t count) noexcept
	{
		static_assert(message<T>::is_array, "a T is sent whole");
		loan_.size = count * sizeof(element);
	}

      protected:
	written() noexcept = default;
	written(written &&other) noexcept
	    : loan_(std::exchange(other.loan_, {})), result_(std::exchange(other.result_, 0))
	{
	}
	written &operator=(written &&other) noexcept
	{
		loan_ = std::exchange(other.loan_, {});
		result_ = std::exchange(other.result_, 0);
		return *this;
	}
	~written() = default;

	struct floe_loan loan_ = {};
	int result_ = 0;
};

/* What a T that was received looks like to who reads it; get() is nullptr where there is none. */
template <class T> class read
{
	using element = const typename message<T>::element;

      public:
	element *get() const noexcept
	{
		return static_cast<element *>(data_);
	}
	element *operator->() const noexcept
	{
		return get();
	}
	element &operator*() const noexcept
	{
		return *get();
	}
	element &operator[](std::size_t index) const noexcept
	{
		return get()[index];
	}
	std::size_t size() const noexcept
	{
		return size_ / sizeof(element);
	}
	element *begin() const noexcept
	{
		return get();
	}
	element *end() const noexcept
	{
		return get() + size();
	}

      protected:
	void show(const void *data, std::size_t size) noexcept
	{
		data_ = data;
		size_ = data ? size : 0;
	}

      private:
	const void *data_ = nullptr;
	std::size_t size_ = 0;
};

} // namespace detail

/*
 * The client's side
 */

/* A request that is being written. Given back unsent at its end, unless it was sent. */
template <class Request> class request_loan : public detail::written<Request>
{
      public:
	request_loan() noexcept = default;
	request_loan(request_loan &&other) noexcept = default;
	request_loan &operator=(request_loan &&other) noexcept
	{
		if (this != &other) {
			discard();
			client_ = other.client_;
			detail::written<Request>::operator=(std::move(other));
		}
		return *this;
	}
	~request_loan()
	{
		discard();
	}

	void discard() noexcept
	{
		if (this->loan_.data)
			floe_client_discard(client_, &this->loan_);
	}
	/* As floe_client_loan_header; H: the request_header of the client's options. */
	template <class H> H *header() const noexcept
	{
		return static_cast<H *>(floe_client_loan_header(client_, &this->loan_));
	}

      private:
	template <class, class> friend class client;
	floe_client *client_ = nullptr;
};

/*
 * What a client takes: true where something was, and then get() is a payload or, at the end of a request
 * without one, nullptr. Released at its end.
 */
template <class Response> class response : public detail::read<Response>
{
      public:
	response() noexcept = default;
	response(response &&other) noexcept
	    : detail::read<Response>(other), client_(other.client_),
	      response_(std::exchange(other.response_, {})),
	      result_(std::exchange(other.result_, 0))
	{
		other.show(nullptr, 0);
	}
	response &operator=(response &&other) noexcept
	{
		if (this != &other) {
			release();
			client_ = other.client_;
			response_ = std::exchange(other.response_, {});
			result_ = std::exchange(other.result_, 0);
			this->show(response_.data, response_.size);
			other.show(nullptr, 0);
		}
		return *this;
	}
	~response()
	{
		release();
	}

	explicit operator bool() const noexcept
	{
		return result_ == 1;
	}
	int result() const noexcept
	{
		return result_;
	} /* of floe_client_take */
	void release() noexcept
	{
		if (response_.data)
			floe_client_release(client_, &response_);
		this->show(nullptr, 0);
	}

	/* Which request this is about, and how that goes on: 1 more will come; 0 this was the last; < 0 it ended
	 * without a response. A payload that is no Response is left out, and where it was the last the status
	 * is -EPROTO. */
	std::uint64_t request() const noexcept
	{
		return response_.request;
	}
	int status() const noexcept
	{
		return response_.status;
	}
	bool is_last() const noexcept
	{
		return response_.status != 1;
	}
	/* nullptr: there is none of that size. */
	template <class H> const H *header() const noexcept
	{
		std::size_t size = 0;
		const void *header = floe_client_response_header(client_, &response_, &size);

		return size == sizeof(H) ? static_cast<const H *>(header) : nullptr;
	}

      private:
	template <class, class> friend class client;
	void look() noexcept
	{
		const std::uint64_t number = response_.request;
		const std::int32_t status = response_.status;

		this->show(response_.data, response_.size);
		if (!response_.data || detail::fits<Response>(response_.size))
			return;
		release();
		response_.request = number;
		response_.status = status == 0 ? -EPROTO : status;
	}

	floe_client *client_ = nullptr;
	floe_response response_ = {};
	int result_ = 0;
};

template <class Request, class Response> class client
{
	using element = typename detail::message<Request>::element;

      public:
	client() noexcept = default;
	client(client &&other) noexcept : client_(std::exchange(other.client_, nullptr))
	{
	}
	client &operator=(client &&other) noexcept
	{
		std::swap(client_, other.client_);
		return *this;
	}
	~client()
	{
		close();
	}

	/* As floe_client_open. What it holds open is closed first. `size` and, of a Request that is no array,
	 * payload_max are filled in; types are, unless there are some. */
	int open(const char *service, floe_client_options options = {}) noexcept
	{
		const floe_type request = detail::describe<Request>();
		const floe_type response = detail::describe<Response>();

		close();
		detail::complete<Request>(options, &request, &response);
		return floe_client_open(&client_, service, &options);
	}
	void close() noexcept
	{
		floe_client_close(std::exchange(client_, nullptr));
	}
	explicit operator bool() const noexcept
	{
		return client_ != nullptr;
	}
	floe_client *get() const noexcept
	{
		return client_;
	}

	/* A Request whose contents are undefined; of T[] `count` of them. */
	request_loan<Request> loan(std::size_t count = 1) noexcept
	{
		request_loan<Request> loan;

		loan.client_ = client_;
		loan.result_ = count > SIZE_MAX / sizeof(element)
				       ? -EINVAL
				       : floe_client_loan(client_, count * sizeof(element),
							  &loan.loan_);
		return loan;
	}

	/* As floe_client_send: what is not sent stays in the loan. */
	int send(request_loan<Request> &loan, clock::time_point deadline = for_ever,
		 std::uint64_t *ret_number = nullptr) noexcept
	{
		return floe_client_send(client_, &loan.loan_, deadline_ns(deadline), ret_number);
	}
	int send(request_loan<Request> &&loan, clock::time_point deadline = for_ever,
		 std::uint64_t *ret_number = nullptr) noexcept
	{
		return send(loan, deadline, ret_number);
	}

	/* Copies one request: 1 sent; 0 active_max are out; < 0 */
	int ask(const element &what, clock::time_point deadline = for_ever,
		std::uint64_t *ret_number = nullptr) noexcept
	{
		static_assert(!detail::message<Request>::is_array, "loan as many as there are");
		auto loan = this->loan();

		if (!loan)
			return loan.result();
		::new (static_cast<void *>(loan.get())) element(what);
		return send(loan, deadline, ret_number);
	}

	response<Response> take() noexcept
	{
		response<Response> response;

		response.client_ = client_;
		response.result_ = floe_client_take(client_, &response.response_);
		if (response.result_ == 1)
			response.look();
		else
			response.response_ = {};
		return response;
	}
	int cancel(std::uint64_t number) noexcept
	{
		return floe_client_cancel(client_, number);
	}
	/* 1 something is there, or a server is gone; 0 deadline; < 0 */
	int wait(clock::time_point deadline = for_ever) noexcept
	{
		return floe_client_wait(client_, deadline_ns(deadline));
	}
	int wait_for_server(clock::time_point deadline = for_ever) noexcept
	{
		return floe_client_wait_for_server(client_, deadline_ns(deadline));
	}
	int fd() noexcept
	{
		return floe_client_fd(client_);
	}
	/* Why no server could be sent anything; the text is empty where all could. */
	floe_error explain() const noexcept
	{
		floe_error error = {};

		(void)floe_client_explain(client_, &error);
		return error;
	}
	floe_client_counts counts() const noexcept
	{
		floe_client_counts counts = {};

		(void)floe_client_count(client_, &counts, sizeof(counts));
		return counts;
	}

      private:
	floe_client *client_ = nullptr;
};

/*
 * The server's side
 */

/* A response that is being written. Given back unsent at its end, unless it was sent; the request that it is
 * for must not be ended before. */
template <class Response> class response_loan : public detail::written<Response>
{
      public:
	response_loan() noexcept = default;
	response_loan(response_loan &&other) noexcept = default;
	response_loan &operator=(response_loan &&other) noexcept
	{
		if (this != &other) {
			discard();
			server_ = other.server_;
			request_ = other.request_;
			detail::written<Response>::operator=(std::move(other));
		}
		return *this;
	}
	~response_loan()
	{
		discard();
	}

	void discard() noexcept
	{
		if (this->loan_.data)
			floe_server_discard(server_, &request_, &this->loan_);
	}
	/* As floe_server_loan_header; H: the response_header of the server's options. */
	template <class H> H *header() const noexcept
	{
		return static_cast<H *>(floe_server_loan_header(server_, &request_, &this->loan_));
	}

      private:
	template <class, class> friend class request;
	floe_server *server_ = nullptr;
	floe_request request_ = {}; /* by its ticket it is known */
};

/* A request that a server has taken. One that is not ended before its end is ended by that, and the client
 * reads the status -ECONNABORTED. */
template <class Request, class Response> class request : public detail::read<Request>
{
	using element = typename detail::message<Response>::element;

      public:
	request() noexcept = default;
	request(request &&other) noexcept
	    : detail::read<Request>(other), server_(other.server_),
	      request_(std::exchange(other.request_, {})), result_(std::exchange(other.result_, 0))
	{
		other.show(nullptr, 0);
	}
	request &operator=(request &&other) noexcept
	{
		if (this != &other) {
			abandon();
			server_ = other.server_;
			request_ = std::exchange(other.request_, {});
			result_ = std::exchange(other.result_, 0);
			this->show(request_.data, request_.size);
			other.show(nullptr, 0);
		}
		return *this;
	}
	~request()
	{
		abandon();
	}

	explicit operator bool() const noexcept
	{
		return request_.data != nullptr;
	}
	int result() const noexcept
	{
		return result_;
	} /* of floe_server_take, or -EPROTO */
	/* Who asks: a number for each client that is open. */
	std::uint64_t client() const noexcept
	{
		return request_.client;
	}
	/* nullptr: there is none of that size. */
	template <class H> const H *header() const noexcept
	{
		std::size_t size = 0;
		const void *header = floe_server_request_header(server_, &request_, &size);

		return size == sizeof(H) ? static_cast<const H *>(header) : nullptr;
	}
	/* As floe_server_is_wanted. */
	int is_wanted() const noexcept
	{
		return floe_server_is_wanted(server_, &request_);
	}

	/* A Response whose contents are undefined; of T[] `count` of them. One at a time. */
	response_loan<Response> loan(std::size_t count = 1) noexcept
	{
		response_loan<Response> loan;

		loan.server_ = server_;
		loan.request_ = request_;
		loan.result_ = count > SIZE_MAX / sizeof(element)
				       ? -EINVAL
				       : floe_server_loan(server_, &request_,
							  count * sizeof(element), &loan.loan_);
		return loan;
	}

	/* The last response: as floe_server_send without `more`. What is not sent stays in the loan, and the
	 * request stays as it is; else both are empty. */
	int send(response_loan<Response> &loan) noexcept
	{
		return send_as(loan, 0);
	}
	int send(response_loan<Response> &&loan) noexcept
	{
		return send_as(loan, 0);
	}
	/* One of several: as floe_server_send with `more`. */
	int send_more(response_loan<Response> &loan) noexcept
	{
		return send_as(loan, 1);
	}
	int send_more(response_loan<Response> &&loan) noexcept
	{
		return send_as(loan, 1);
	}
	/* Copies the last response: 1 sent; 0 no chunk is free; < 0 */
	int answer(const element &what) noexcept
	{
		static_assert(!detail::message<Response>::is_array, "loan as many as there are");
		auto loan = this->loan();

		if (!loan)
			return loan.result();
		::new (static_cast<void *>(loan.get())) element(what);
		return send(loan);
	}
	/* As floe_server_end. */
	int finish(int status = 0) noexcept
	{
		const int r = floe_server_end(server_, &request_, status);

		this->show(request_.data, request_.size);
		return r;
	}

      private:
	template <class, class> friend class server;
	int send_as(response_loan<Response> &loan, int more) noexcept
	{
		const int r = floe_server_send(server_, &request_, &loan.loan_, more);

		this->show(request_.data, request_.size);
		return r;
	}
	void abandon() noexcept
	{
		if (request_.data)
			(void)floe_server_end(server_, &request_, -ECONNABORTED);
	}

	floe_server *server_ = nullptr;
	floe_request request_ = {};
	int result_ = 0;
};

template <class Request, class Response> class server
{
      public:
	server() noexcept = default;
	server(server &&other) noexcept : server_(std::exchange(other.server_, nullptr))
	{
	}
	server &operator=(server &&other) noexcept
	{
		std::swap(server_, other.server_);
		return *this;
	}
	~server()
	{
		close();
	}

	/* As floe_server_open, with what floe::client::open fills in. */
	int open(const char *service, floe_server_options options = {}) noexcept
	{
		const floe_type request = detail::describe<Request>();
		const floe_type response = detail::describe<Response>();

		close();
		detail::complete<Response>(options, &request, &response);
		return floe_server_open(&server_, service, &options);
	}
	void close() noexcept
	{
		floe_server_close(std::exchange(server_, nullptr));
	}
	explicit operator bool() const noexcept
	{
		return server_ != nullptr;
	}
	floe_server *get() const noexcept
	{
		return server_;
	}

	/* A request that is no Request is ended: its client reads -EPROTO, as result() says here. */
	floe::request<Request, Response> take() noexcept
	{
		floe::request<Request, Response> taken;

		taken.server_ = server_;
		taken.result_ = floe_server_take(server_, &taken.request_);
		if (taken.result_ != 1) {
			taken.request_ = {};
		} else if (!detail::fits<Request>(taken.request_.size)) {
			(void)taken.finish(-EPROTO);
			taken.result_ = -EPROTO;
		} else {
			taken.show(taken.request_.data, taken.request_.size);
		}
		return taken;
	}
	/* 1 take has something; 0 deadline; < 0 */
	int wait(clock::time_point deadline = for_ever) noexcept
	{
		return floe_server_wait(server_, deadline_ns(deadline));
	}
	int fd() noexcept
	{
		return floe_server_fd(server_);
	}
	floe_server_counts counts() const noexcept
	{
		floe_server_counts counts = {};

		(void)floe_server_count(server_, &counts, sizeof(counts));
		return counts;
	}

      private:
	floe_server *server_ = nullptr;
};

} // namespace floe

#endif
