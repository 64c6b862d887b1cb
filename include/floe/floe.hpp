/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FLOE_FLOE_HPP
#define FLOE_FLOE_HPP

/*
 * floe for C++17: the calls of <floe/floe.h> as types that give back what they hold.
 *
 *	floe::publisher<pose>   p;  p.open("pose")   ->  p.loan()  ->  p.publish(std::move(loan))
 *	floe::subscriber<pose>  s;  s.open("pose")   ->  s.take()  ->  a sample, released at its end
 *
 * Nothing is thrown and nothing is allocated here; results are those of the C calls: < 0 failed,
 * the value is -errno; >= 0 worked, 0 where "nothing" is an outcome. A loan or sample that is not
 * there is false, and says why in result().
 *
 * T is what one message is: trivially copyable, aligned to 64 bytes at most. T[] is a message of as
 * many T as each loan asks for; floe::bytes is std::byte[]. Publisher and subscriber tell each other
 * size and alignment of T, and its name if floe::type_name<T> has one.
 *
 * s.take().share() is a sample with several owners in any threads, as a std::shared_ptr.
 *
 * p.loan_parts<8>(count) is a message of T[] that no chunk is large enough for, in up to eight parts, each a
 * span of T; s.take_parts<8>() is all of one, or nothing.
 *
 * Threads, blocking, ownership: as the calls of floe.h. A loan or sample belongs to its publisher or
 * subscriber; it may end later, but must not be read or written then.
 */

/* A struct and a function are called floe_loan, which C++ allows and warns of. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#endif
#include <floe/floe.h>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace floe
{

using bytes = std::byte[];
using options_for_publisher = floe_publisher_options;
using options_for_subscriber = floe_subscriber_options;

/* Specialise it: template <> inline constexpr const char *floe::type_name<pose> = "pose"; */
template <class T> inline constexpr const char *type_name = nullptr;

/* A point in time as the calls that wait want it. */
using clock = std::chrono::steady_clock; /* CLOCK_MONOTONIC with libstdc++ and libc++ */
inline constexpr clock::time_point for_ever = clock::time_point::max();

inline std::int64_t deadline_ns(clock::time_point time) noexcept
{
	using std::chrono::nanoseconds;

	if (time == for_ever)
		return -1;
	auto ns = std::chrono::duration_cast<nanoseconds>(time.time_since_epoch()).count();
	return ns < 0 ? 0 : ns;
}

inline std::int64_t deadline_ns(clock::duration after) noexcept
{
	return deadline_ns(clock::now() + after);
}

/* A view of objects that lie somewhere, as std::span of C++20. */
template <class T> class span
{
      public:
	constexpr span() noexcept = default;
	constexpr span(T *data, std::size_t size) noexcept : data_(data), size_(size)
	{
	}
	constexpr T *data() const noexcept
	{
		return data_;
	}
	constexpr std::size_t size() const noexcept
	{
		return size_;
	}
	constexpr bool empty() const noexcept
	{
		return size_ == 0;
	}
	constexpr T *begin() const noexcept
	{
		return data_;
	}
	constexpr T *end() const noexcept
	{
		return data_ + size_;
	}
	constexpr T &operator[](std::size_t index) const noexcept
	{
		return data_[index];
	}

      private:
	T *data_ = nullptr;
	std::size_t size_ = 0;
};

namespace detail
{

template <class T> struct message {
	using element = T;
	static constexpr bool is_array = false;
	static constexpr std::size_t size = sizeof(T);
};
template <class T> struct message<T[]> {
	using element = T;
	static constexpr bool is_array = true;
	static constexpr std::size_t size = 0; /* any */
};

template <class T> constexpr floe_type describe() noexcept
{
	using element = typename message<T>::element;

	static_assert(std::is_trivially_copyable_v<element>,
		      "other processes read it as it lies: it must be trivially copyable");
	static_assert(alignof(element) <= 64, "payloads are aligned to 64 bytes");
	return floe_type{type_name<T>, message<T>::size, alignof(element), 0, nullptr};
}

} // namespace detail

/*
 * For options: what a T is. options.header = &floe::type_of<stamp>; makes a publisher send a stamp beside
 * each message, which loan.header<stamp>() and sample.header<stamp>() lead to, and a subscriber want it.
 */
template <class T> inline constexpr floe_type type_of = detail::describe<T>();

/* For options of publishers, subscribers, servers and clients: what it says of itself, or wants. */
template <class O, std::size_t N>
void set_attributes(O &options, const floe_attribute (&attributes)[N]) noexcept
{
	options.attributes = attributes;
	options.attributes_count = N;
}

template <class T> class publisher;
template <class T> class subscriber;
template <class T> class sample;

/* A message that is being written. Given back unsent at its end, unless it was published. */
template <class T> class loan
{
	using element = typename detail::message<T>::element;

      public:
	loan() noexcept = default;
	loan(loan &&other) noexcept
	    : pub_(other.pub_), loan_(std::exchange(other.loan_, {})),
	      result_(std::exchange(other.result_, 0))
	{
	}
	loan &operator=(loan &&other) noexcept
	{
		if (this != &other) {
			discard();
			pub_ = other.pub_;
			loan_ = std::exchange(other.loan_, {});
			result_ = std::exchange(other.result_, 0);
		}
		return *this;
	}
	~loan()
	{
		discard();
	}

	explicit operator bool() const noexcept
	{
		return loan_.data != nullptr;
	}
	int result() const noexcept
	{
		return result_;
	} /* of floe_loan */
	void discard() noexcept
	{
		if (loan_.data)
			floe_discard(pub_, &loan_);
	}

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
	/* As floe_loan_header; H: the one of the publisher's options. */
	template <class H> H *header() const noexcept
	{
		return static_cast<H *>(floe_loan_header(pub_, &loan_));
	}
	/* Only so many elements will be sent, 1 to size(). */
	void shrink(std::size_t count) noexcept
	{
		static_assert(detail::message<T>::is_array, "a T is sent whole");
		loan_.size = count * sizeof(element);
	}

      private:
	friend class publisher<T>;
	floe_publisher *pub_ = nullptr;
	struct floe_loan loan_ = {};
	int result_ = 0;
};

/* A message in parts that is being written, each part in a chunk of its own. All are given back unsent at
 * its end, unless they were published. */
template <class T, std::size_t N> class loans
{
	using element = typename detail::message<T>::element;
	static_assert(detail::message<T>::is_array, "a T is one part");

      public:
	loans() noexcept = default;
	loans(loans &&other) noexcept
	{
		swap(other);
	}
	loans &operator=(loans &&other) noexcept
	{
		if (this != &other) {
			discard();
			swap(other);
		}
		return *this;
	}
	~loans()
	{
		discard();
	}

	explicit operator bool() const noexcept
	{
		return size() > 0;
	}
	int result() const noexcept
	{
		return result_;
	} /* of floe_loan_parts */
	void discard() noexcept
	{
		for (std::size_t i = 0; i < count_; i++)
			floe_discard(pub_, &loan_[i]);
		count_ = 0;
	}

	/* How many parts; each is a view of its elements. */
	std::size_t size() const noexcept
	{
		return loan_[0].data ? count_ : 0;
	}
	span<element> operator[](std::size_t index) const noexcept
	{
		const struct floe_loan &loan = loan_[index];

		return {static_cast<element *>(loan.data), loan.size / sizeof(element)};
	}
	template <class H> H *header(std::size_t index) const noexcept
	{
		return static_cast<H *>(floe_loan_header(pub_, &loan_[index]));
	}

      private:
	friend class publisher<T>;
	void swap(loans &other) noexcept
	{
		std::swap(pub_, other.pub_);
		std::swap(loan_, other.loan_);
		std::swap(count_, other.count_);
		std::swap(result_, other.result_);
	}
	/* A part ends where an element does. */
	bool fits() const noexcept
	{
		for (std::size_t i = 0; i < count_; i++)
			if (loan_[i].size % sizeof(element))
				return false;
		return true;
	}

	floe_publisher *pub_ = nullptr;
	struct floe_loan loan_[N] = {};
	std::size_t count_ = 0;
	int result_ = 0;
};

template <class T> class publisher
{
	using element = typename detail::message<T>::element;

      public:
	publisher() noexcept = default;
	publisher(publisher &&other) noexcept : pub_(std::exchange(other.pub_, nullptr))
	{
	}
	publisher &operator=(publisher &&other) noexcept
	{
		std::swap(pub_, other.pub_);
		return *this;
	}
	~publisher()
	{
		close();
	}

	/* As floe_publisher_open. What it holds open is closed first. `size`, and without pools and
	 * payload_max the payload of a T, are filled in; a type is, unless there is one. */
	int open(const char *topic, floe_publisher_options options = {}) noexcept
	{
		const floe_type type = detail::describe<T>();

		close();
		options.size = sizeof(options);
		if (!options.payload_max && !options.pools && !detail::message<T>::is_array)
			options.payload_max = sizeof(element);
		if (!options.type && type.name)
			options.type = &type;
		return floe_publisher_open(&pub_, topic, &options);
	}
	void close() noexcept
	{
		floe_publisher_close(std::exchange(pub_, nullptr));
	}
	explicit operator bool() const noexcept
	{
		return pub_ != nullptr;
	}
	floe_publisher *get() const noexcept
	{
		return pub_;
	}

	/* A T whose contents are undefined; of T[] `count` of them. */
	floe::loan<T> loan(std::size_t count = 1) noexcept
	{
		floe::loan<T> loan;

		loan.pub_ = pub_;
		loan.result_ = count > SIZE_MAX / sizeof(element)
				       ? -EINVAL
				       : floe_loan(pub_, count * sizeof(element), &loan.loan_);
		return loan;
	}

	/* As floe_publish: what is not sent stays in the loan. */
	int publish(floe::loan<T> &loan) noexcept
	{
		return floe_publish(pub_, &loan.loan_);
	}
	int publish(floe::loan<T> &&loan) noexcept
	{
		return floe_publish(pub_, &loan.loan_);
	}

	/* `count` elements in up to N parts of payload_max, which must be a multiple of their size: -EINVAL. */
	template <std::size_t N> loans<T, N> loan_parts(std::size_t count) noexcept
	{
		loans<T, N> parts;

		parts.pub_ = pub_;
		parts.result_ = count > SIZE_MAX / sizeof(element)
					? -EINVAL
					: floe_loan_parts(pub_, count * sizeof(element),
							  parts.loan_, N);
		if (parts.result_ > 0)
			parts.count_ = static_cast<std::size_t>(parts.result_);
		if (!parts.fits()) {
			parts.discard();
			parts.result_ = -EINVAL;
		}
		return parts;
	}

	/* As floe_publish_parts: what is not sent stays. */
	template <std::size_t N> int publish(loans<T, N> &parts) noexcept
	{
		return floe_publish_parts(pub_, parts.loan_, parts.size());
	}
	template <std::size_t N> int publish(loans<T, N> &&parts) noexcept
	{
		return publish(parts);
	}

	/* Copies one message: 1 sent; 0 would block, or no chunk is free; < 0 */
	int send(const element &message) noexcept
	{
		static_assert(!detail::message<T>::is_array, "loan as many as there are");
		floe::loan<T> loan = this->loan();

		if (!loan)
			return loan.result();
		::new (static_cast<void *>(loan.get())) element(message);
		return publish(loan);
	}

	int wait(clock::time_point deadline = for_ever) noexcept
	{
		return floe_publisher_wait(pub_, deadline_ns(deadline));
	}
	int wait_for_subscribers(std::size_t count, clock::time_point deadline = for_ever) noexcept
	{
		return floe_publisher_wait_for_subscribers(pub_, count, deadline_ns(deadline));
	}
	int wait_for_room(std::size_t count, clock::time_point deadline = for_ever) noexcept
	{
		return floe_publisher_wait_for_room(pub_, count, deadline_ns(deadline));
	}
	/* Up to the ceilings that it was opened with. */
	int limit_loans(std::size_t count) noexcept
	{
		return floe_publisher_limit_loans(pub_, count);
	}
	int limit_memory(std::size_t size) noexcept
	{
		return floe_publisher_limit_memory(pub_, size);
	}
	floe_publisher_counts counts() const noexcept
	{
		floe_publisher_counts counts = {};

		(void)floe_publisher_count(pub_, &counts, sizeof(counts));
		return counts;
	}

      private:
	floe_publisher *pub_ = nullptr;
};

/* A message that several read, in any threads; copies are owners, the last of them releases it. It may
 * outlive its subscriber. One object is used by one thread at a time. */
template <class T> class shared_sample
{
	using element = const typename detail::message<T>::element;

      public:
	shared_sample() noexcept = default;
	shared_sample(const shared_sample &other) noexcept
	    : shared_(floe_shared_sample_ref(other.shared_)), result_(other.result_)
	{
	}
	shared_sample(shared_sample &&other) noexcept
	    : shared_(std::exchange(other.shared_, nullptr)),
	      result_(std::exchange(other.result_, 0))
	{
	}
	shared_sample &operator=(shared_sample other) noexcept
	{
		std::swap(shared_, other.shared_);
		std::swap(result_, other.result_);
		return *this;
	}
	~shared_sample()
	{
		reset();
	}

	explicit operator bool() const noexcept
	{
		return shared_ != nullptr;
	}
	int result() const noexcept
	{
		return result_;
	} /* of floe_sample_share, or of the take before */
	void reset() noexcept
	{
		(void)floe_shared_sample_unref(std::exchange(shared_, nullptr));
	}

	element *get() const noexcept
	{
		const floe_sample *sample = floe_shared_sample_get(shared_);

		return sample ? static_cast<element *>(sample->data) : nullptr;
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
		const floe_sample *sample = floe_shared_sample_get(shared_);

		return sample ? sample->size / sizeof(element) : 0;
	}
	element *begin() const noexcept
	{
		return get();
	}
	element *end() const noexcept
	{
		return get() + size();
	}
	/* nullptr: there is none of that size. */
	template <class H> const H *header() const noexcept
	{
		std::size_t size = 0;
		const void *header = floe_shared_sample_header(shared_, &size);

		return size == sizeof(H) ? static_cast<const H *>(header) : nullptr;
	}
	std::uint64_t sequence() const noexcept
	{
		const floe_sample *sample = floe_shared_sample_get(shared_);

		return sample ? sample->sequence : 0;
	}

      private:
	friend class sample<T>;
	floe_shared_sample *shared_ = nullptr;
	int result_ = 0;
};

/* A message that is being read. Released at its end. */
template <class T> class sample
{
	using element = const typename detail::message<T>::element;

      public:
	sample() noexcept = default;
	sample(sample &&other) noexcept
	    : sub_(other.sub_), sample_(std::exchange(other.sample_, {})),
	      result_(std::exchange(other.result_, 0))
	{
	}
	sample &operator=(sample &&other) noexcept
	{
		if (this != &other) {
			release();
			sub_ = other.sub_;
			sample_ = std::exchange(other.sample_, {});
			result_ = std::exchange(other.result_, 0);
		}
		return *this;
	}
	~sample()
	{
		release();
	}

	explicit operator bool() const noexcept
	{
		return sample_.data != nullptr;
	}
	int result() const noexcept
	{
		return result_;
	} /* of floe_take, or -EPROTO */
	void release() noexcept
	{
		if (sample_.data)
			floe_release(sub_, &sample_);
	}
	/* As floe_republish: 1, and it is empty; else it is as before. */
	int republish(publisher<T> &onward) noexcept
	{
		return floe_republish(onward.get(), sub_, &sample_);
	}

	/* By the subscriber's thread. What is not shared, see result(), stays in the sample. */
	shared_sample<T> share() noexcept
	{
		shared_sample<T> shared;

		shared.result_ = sample_.data ? floe_sample_share(sub_, &sample_, &shared.shared_)
					      : result_;
		return shared;
	}

	element *get() const noexcept
	{
		return static_cast<element *>(sample_.data);
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
		return sample_.size / sizeof(element);
	}
	element *begin() const noexcept
	{
		return get();
	}
	element *end() const noexcept
	{
		return get() + size();
	}

	/* nullptr: there is none of that size. */
	template <class H> const H *header() const noexcept
	{
		std::size_t size = 0;
		const void *header = floe_sample_header(sub_, &sample_, &size);

		return size == sizeof(H) ? static_cast<const H *>(header) : nullptr;
	}
	std::uint64_t sequence() const noexcept
	{
		return sample_.sequence;
	}
	std::uint64_t time_ns() const noexcept
	{
		return sample_.time_ns;
	}
	std::uint64_t lost() const noexcept
	{
		return sample_.lost;
	}

      private:
	friend class subscriber<T>;
	floe_subscriber *sub_ = nullptr;
	floe_sample sample_ = {};
	int result_ = 0;
};

/* All parts of a message that is being read. Released at its end. */
template <class T, std::size_t N> class samples
{
	using element = const typename detail::message<T>::element;
	static_assert(detail::message<T>::is_array, "a T is one part");

      public:
	samples() noexcept = default;
	samples(samples &&other) noexcept
	{
		swap(other);
	}
	samples &operator=(samples &&other) noexcept
	{
		if (this != &other) {
			release();
			swap(other);
		}
		return *this;
	}
	~samples()
	{
		release();
	}

	explicit operator bool() const noexcept
	{
		return count_ > 0;
	}
	int result() const noexcept
	{
		return result_;
	} /* of floe_take_parts, or -EPROTO */
	void release() noexcept
	{
		for (std::size_t i = 0; i < count_; i++)
			floe_release(sub_, &sample_[i]);
		count_ = 0;
	}

	/* How many parts; each is a view of its elements. */
	std::size_t size() const noexcept
	{
		return count_;
	}
	span<element> operator[](std::size_t index) const noexcept
	{
		const floe_sample &sample = sample_[index];

		return {static_cast<element *>(sample.data), sample.size / sizeof(element)};
	}
	/* nullptr: there is none of that size. */
	template <class H> const H *header(std::size_t index) const noexcept
	{
		std::size_t size = 0;
		const void *header = floe_sample_header(sub_, &sample_[index], &size);

		return size == sizeof(H) ? static_cast<const H *>(header) : nullptr;
	}
	/* Of the first part. */
	std::uint64_t sequence() const noexcept
	{
		return sample_[0].sequence;
	}
	std::uint64_t time_ns() const noexcept
	{
		return sample_[0].time_ns;
	}
	std::uint64_t lost() const noexcept
	{
		return sample_[0].lost;
	}

      private:
	friend class subscriber<T>;
	void swap(samples &other) noexcept
	{
		std::swap(sub_, other.sub_);
		std::swap(sample_, other.sample_);
		std::swap(count_, other.count_);
		std::swap(result_, other.result_);
	}

	floe_subscriber *sub_ = nullptr;
	floe_sample sample_[N] = {};
	std::size_t count_ = 0;
	int result_ = 0;
};

template <class T> class subscriber
{
	using element = typename detail::message<T>::element;

      public:
	subscriber() noexcept = default;
	subscriber(subscriber &&other) noexcept : sub_(std::exchange(other.sub_, nullptr))
	{
	}
	subscriber &operator=(subscriber &&other) noexcept
	{
		std::swap(sub_, other.sub_);
		return *this;
	}
	~subscriber()
	{
		close();
	}

	/* As floe_subscriber_open. */
	int open(const char *topic, floe_subscriber_options options = {}) noexcept
	{
		const floe_type type = detail::describe<T>();

		close();
		options.size = sizeof(options);
		if (!options.type && type.name)
			options.type = &type;
		return floe_subscriber_open(&sub_, topic, &options);
	}
	void close() noexcept
	{
		floe_subscriber_close(std::exchange(sub_, nullptr));
	}
	explicit operator bool() const noexcept
	{
		return sub_ != nullptr;
	}
	floe_subscriber *get() const noexcept
	{
		return sub_;
	}

	/* A message whose size is not that of a T, or of some T, is released again: false, and
	 * result() says -EPROTO. Publishers that name no type may send such. */
	floe::sample<T> take() noexcept
	{
		floe::sample<T> sample;

		sample.sub_ = sub_;
		sample.result_ = floe_take(sub_, &sample.sample_);
		if (sample.result_ == 1 && !fits(sample.sample_.size)) {
			sample.release();
			sample.result_ = -EPROTO;
		}
		return sample;
	}
	/* All parts of the next message, or none: one of more than N stays where it is (-EMSGSIZE). One with a
	 * part that is not of some T is released again: false, and result() says -EPROTO. */
	template <std::size_t N> samples<T, N> take_parts() noexcept
	{
		samples<T, N> parts;

		parts.sub_ = sub_;
		parts.result_ = floe_take_parts(sub_, parts.sample_, N);
		if (parts.result_ <= 0)
			return parts;
		parts.count_ = static_cast<std::size_t>(parts.result_);
		for (std::size_t i = 0; i < parts.count_; i++)
			if (!fits(parts.sample_[i].size))
				parts.result_ = -EPROTO;
		if (parts.result_ < 0)
			parts.release();
		return parts;
	}
	/* 1 ready; 0 deadline; < 0 */
	int wait(clock::time_point deadline = for_ever) noexcept
	{
		return floe_wait(sub_, deadline_ns(deadline));
	}
	int fd() noexcept
	{
		return floe_subscriber_fd(sub_);
	}
	/* Up to the ceiling that it was opened with. */
	int limit_holds(std::size_t count) noexcept
	{
		return floe_subscriber_limit_holds(sub_, count);
	}
	int limit_depth(std::size_t count) noexcept
	{
		return floe_subscriber_limit_depth(sub_, count);
	}
	floe_subscriber_counts counts() const noexcept
	{
		floe_subscriber_counts counts = {};

		(void)floe_subscriber_count(sub_, &counts, sizeof(counts));
		return counts;
	}

      private:
	static constexpr bool fits(std::size_t size) noexcept
	{
		return detail::message<T>::is_array ? size % sizeof(element) == 0
						    : size == sizeof(element);
	}

	floe_subscriber *sub_ = nullptr;
};

/* A heap of <floe/heap.h> that is destroyed at its end. */
class heap
{
      public:
	heap() noexcept = default;
	heap(heap &&other) noexcept : heap_(std::exchange(other.heap_, nullptr))
	{
	}
	heap &operator=(heap &&other) noexcept
	{
		std::swap(heap_, other.heap_);
		return *this;
	}
	~heap()
	{
		close();
	}

	int create(floe_heap_options options = {}) noexcept
	{
		close();
		options.size = sizeof(options);
		return floe_heap_create(&heap_, &options);
	}
	void close() noexcept
	{
		if (heap_)
			floe_heap_destroy(std::exchange(heap_, nullptr));
	}
	explicit operator bool() const noexcept
	{
		return heap_ != nullptr;
	}
	floe_heap *get() const noexcept
	{
		return heap_;
	}

	int inject(void *memory, std::size_t size) noexcept
	{
		return floe_heap_inject(heap_, memory, size);
	}
	void *alloc(std::size_t size) noexcept
	{
		return floe_heap_alloc(heap_, size);
	}
	void free(void *object) noexcept
	{
		floe_heap_free(heap_, object);
	}

      private:
	floe_heap *heap_ = nullptr;
};

#if defined(__cpp_exceptions)
/* For containers of the standard library; it throws std::bad_alloc, for they know nothing else. */
template <class T> class allocator
{
      public:
	using value_type = T;

	explicit allocator(const heap &heap) noexcept : heap_(heap.get())
	{
	}
	template <class U> allocator(const allocator<U> &other) noexcept : heap_(other.heap_)
	{
	}

	T *allocate(std::size_t count)
	{
		void *memory = count > SIZE_MAX / sizeof(T)
				       ? nullptr
				       : floe_heap_alloc_aligned(heap_, alignof(T),
								 count * sizeof(T));

		if (!memory)
			throw std::bad_alloc();
		return static_cast<T *>(memory);
	}
	void deallocate(T *object, std::size_t) noexcept
	{
		floe_heap_free(heap_, object);
	}
	template <class U> bool operator==(const allocator<U> &other) const noexcept
	{
		return heap_ == other.heap_;
	}
	template <class U> bool operator!=(const allocator<U> &other) const noexcept
	{
		return heap_ != other.heap_;
	}

      private:
	template <class U> friend class allocator;
	floe_heap *heap_;
};
#endif

} // namespace floe

#endif
