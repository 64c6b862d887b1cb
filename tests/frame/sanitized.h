/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SANITIZED_H
#define TESTS_SANITIZED_H

/* SANITIZED: a sanitizer of addresses or threads adds instructions, calls and allocations of its own. */

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif

#endif
