/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FLOED_CONFIG_H
#define FLOED_CONFIG_H

/*
 * Config: what floed.conf says, read and checked as a whole before anything is done with it.
 */

#include <floe/floe.h>

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "ini.h"
#include "registry/domain.h"
#include "registry/terms_layout.h"
#include "say.h"

#define CONFIG_PATH "/etc/floe/floed.conf"
#define CONFIG_UNSET UINT32_MAX

/* Whose a folder is, and who may go in: CONFIG_UNSET where nothing is said. */
struct config_access {
	uint32_t uid;
	uint32_t gid;
	uint32_t mode;
};

struct config_topic {
	char name[FLOE_TOPIC_NAME_MAX + 1];
	struct config_access access;
	struct terms_shared terms; /* without identity and author */
	uint32_t reserve;          /* rings that lie ready */
	struct ini_place place;
};

struct config {
	char path[DOMAIN_PATH_MAX]; /* "": built in */
	bool monitoring;
	enum say_level level;
	int64_t linger_ns;
	char dir[DOMAIN_PATH_MAX];   /* "": the library's default */
	char domain[64 + 1];         /* "": the library's default */
	struct config_access access; /* of dir and what is below */
	struct quotas_shared quotas; /* without identity and author */
	struct config_topic *topics;
	size_t topics_count;
};

/* What is so without a file. */
void config_init(struct config *ret_config);
void config_deinit(struct config *config);

/* 0, or -errno with a sentence that begins with "FILE:LINE:COLUMN: " where there is such a place. The
 * config is then as config_init left it. */
int config_read(struct config *ret_config, const char *path, struct floe_error *error);

#endif
