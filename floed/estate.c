/* SPDX-License-Identifier: Apache-2.0 */
#include "estate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/options.h"
#include "base/error.h"
#include "os/os.h"
#include "registry/cleanup.h"
#include "registry/file.h"
#include "registry/ring_file.h"
#include "registry/terms.h"
#include "registry/view.h"
#include "say.h"
#include "status.h"

void estate_init(struct estate *ret_estate, struct node *node)
{
	*ret_estate = (struct estate){.node = node};
}

/* Gives a file or folder to whom it is meant for. `mask`: the bits of the mode that it can have. */
static int give(const char *path, const struct config_access *access, uint32_t mask,
		struct floe_error *error)
{
	floe_cleanup(os_close_fdp) int fd = -1;

	/* Most topics are as the domain is. */
	if (access->uid == CONFIG_UNSET && access->gid == CONFIG_UNSET &&
	    access->mode == CONFIG_UNSET)
		return 0;
	fd = os->open(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW, 0);
	if (fd < 0)
		return fd == -ENOENT ? 0 : error_system(error, fd, "open", path);
	/* CONFIG_UNSET is what fchown leaves as it is. Ownership first: it takes bits away. */
	if ((access->uid != CONFIG_UNSET || access->gid != CONFIG_UNSET) &&
	    fchown(fd, access->uid, access->gid) < 0)
		return error_system(error, -errno, "set the owner of", path);
	if (access->mode != CONFIG_UNSET && fchmod(fd, (access->mode & mask)) < 0)
		return error_system(error, -errno, "set the mode of", path);
	return 0;
}

static int give_file(const struct topic *topic, const char *name,
		     const struct config_access *access, struct floe_error *error)
{
	char path[DOMAIN_NAME_MAX + 16];

	(void)snprintf(path, sizeof(path), "%s/%s", topic->path, name);
	return give(path, access, 0666, error);
}

/* The folder, whose owner and mode come first: whoever joins then finds them. 1 it was made, 0 it was there */
static int open_topic(struct estate *estate, struct estate_topic *t, struct floe_error *error)
{
	const struct config_access *access = &t->config.access;
	char path[DOMAIN_NAME_MAX];
	int made;
	int r;

	domain_path(&estate->node->domain, "topics", t->config.name, path);
	made = r = file_make_dir(
		AT_FDCWD, path, access->mode == CONFIG_UNSET ? estate->node->domain.dir_mode : 0700,
		error);
	if (r >= 0)
		r = give(path, access, 07777, error);
	if (r == 0)
		r = topic_open(&t->topic, &estate->node->domain, t->config.name, error);
	if (r < 0)
		return r;
	topic_settle(&t->topic);
	r = give_file(&t->topic, "topic", access, error);
	return r < 0 ? r : made;
}

/* Who may go into the folder may read the terms; only floed writes them. */
static int write_terms(struct estate *estate, struct estate_topic *t, struct floe_error *error)
{
	struct config_access access = {CONFIG_UNSET, t->config.access.gid, CONFIG_UNSET};
	struct terms_shared *terms = &t->config.terms;
	struct stat seen;
	mode_t mode = 0600;
	int r;

	terms->identity = identity_make(TERMS_MAGIC, TERMS_SIGNATURE);
	terms->author = estate->node->id;
	if (t->config.access.mode != CONFIG_UNSET)
		terms->mode = t->config.access.mode & 0444;
	if (os->stat_at(AT_FDCWD, t->topic.path, &seen) == 0)
		mode |= seen.st_mode & 0444;
	r = terms_write(terms, &estate->node->domain, t->config.name, mode, error);
	return r < 0 ? r : give_file(&t->topic, "terms", &access, error);
}

/* As a publisher would that asks for nothing: such a one adopts it then. */
static int plan_ring(const struct estate_topic *t, struct ring_file_options *ret,
		     struct floe_type *type, struct options_room *room, struct floe_error *error)
{
	const struct terms_shared *terms = &t->config.terms;
	struct floe_publisher_options given = {.size = sizeof(given), .error = error};
	struct floe_publisher_options o;
	bool fixed;
	int r;

	*type = (struct floe_type){.name = terms->type.name,
				   .size = terms->type.size,
				   .alignment = terms->type.alignment,
				   .hash = terms->type.hash};
	if (terms->type.name[0])
		given.type = type;
	r = options_read_publisher_under(&o, &given, t->config.name, terms, room);
	if (r == 0)
		r = options_plan(&o, NULL, &ret->plan, &fixed);
	if (r < 0)
		return r;
	ret->mode = o.mode;
	ret->fresh = true;
	ret->plan.topic_id = t->topic.id;
	return 0;
}

/* Closed as soon as it is there. Dying between: a dead one, which can be adopted all the same, or
 * one that is still ours by its owner's name: that is put right by the next floed. */
static int make_ring(struct estate *estate, struct estate_topic *t, struct floe_error *error)
{
	struct config_access access = {t->config.access.uid, t->config.access.gid, CONFIG_UNSET};
	struct ring_file_options wanted = {0};
	struct ring_file file;
	struct options_room room;
	struct members *members;
	struct floe_type type;
	char name[PLACE_NAME_MAX];
	int r = plan_ring(t, &wanted, &type, &room, error);

	if (r < 0)
		return r;
	members = calloc(1, sizeof(*members));
	if (!members)
		return error_set(error, -ENOMEM, "out of memory");
	r = ring_file_open(&file, &wanted, estate->node, &t->topic, members, error);
	free(members);
	if (r < 0)
		return r;
	place_name(name, "pub.", file.index);
	r = give_file(&t->topic, name, &access, error);
	ring_file_close(&file, &t->topic, r == 0);
	return r;
}

static int make_rings(struct estate *estate, struct estate_topic *t, uint32_t count,
		      struct floe_error *error)
{
	int r = 0;

	for (; r == 0 && count < t->config.reserve; count++)
		r = make_ring(estate, t, error);
	return r;
}

static int fill_reserve(struct estate *estate, struct estate_topic *t, struct floe_error *error)
{
	uint8_t taken[FLOE_PUBLISHERS_MAX];
	uint32_t count = 0;
	int dir;
	int r;

	if (t->config.reserve == 0)
		return 0;
	dir = topic_open_dir(&t->topic, error);
	if (dir < 0)
		return dir;
	r = file_list_indexes(dir, "pub.", FLOE_PUBLISHERS_MAX, taken);
	os->close(dir);
	for (uint32_t i = 0; i < FLOE_PUBLISHERS_MAX; i++)
		count += taken[i];
	return r < 0 ? r : make_rings(estate, t, count, error);
}

/* A folder of ours that was not there before has no rings; who was faster has one more. */
static int establish(struct estate *estate, struct estate_topic *t, struct floe_error *error)
{
	int made = open_topic(estate, t, error);
	int r = made < 0 ? made : write_terms(estate, t, error);

	if (r < 0)
		return r;
	return made ? make_rings(estate, t, 0, error) : fill_reserve(estate, t, error);
}

/* Without participants the topic goes; dying before that leaves it to whoever cleans. */
static void release(struct estate *estate, struct estate_topic *t)
{
	terms_remove(&estate->node->domain, t->config.name);
	if (t->topic.domain)
		cleanup_leave(&t->topic);
	free(t);
}

static struct estate_topic *find(const struct estate *estate, const char *name)
{
	for (size_t i = 0; i < estate->count; i++)
		if (!strcmp(estate->topic[i]->config.name, name))
			return estate->topic[i];
	return NULL;
}

static bool is_laid_down(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->topics_count; i++)
		if (!strcmp(config->topics[i].name, name))
			return true;
	return false;
}

static void release_others(struct estate *estate, const struct config *config)
{
	size_t kept = 0;

	for (size_t i = 0; i < estate->count; i++) {
		struct estate_topic *t = estate->topic[i];

		if (is_laid_down(config, t->config.name))
			estate->topic[kept++] = t;
		else
			release(estate, t);
	}
	estate->count = kept;
}

static struct estate_topic *append(struct estate *estate, struct floe_error *error)
{
	struct estate_topic **more = reallocarray(estate->topic, estate->count + 1, sizeof(*more));
	struct estate_topic *t = calloc(1, sizeof(*t));

	if (more)
		estate->topic = more;
	if (!more || !t) {
		free(t);
		(void)error_set(error, -ENOMEM, "out of memory");
		return NULL;
	}
	t->topic = TOPIC_NULL;
	return estate->topic[estate->count++] = t;
}

static int apply_topic(struct estate *estate, const struct config_topic *config,
		       struct floe_error *error)
{
	struct estate_topic *t = find(estate, config->name);

	if (!t)
		t = append(estate, error);
	if (!t)
		return -ENOMEM;
	t->config = *config;
	/* One that is open keeps its lock, and with it its folder. */
	if (!t->topic.region.base)
		return establish(estate, t, error);
	if (give(t->topic.path, &config->access, 07777, error) < 0 ||
	    give_file(&t->topic, "topic", &config->access, error) < 0)
		return -EPERM;
	return write_terms(estate, t, error) < 0 ? -EIO : fill_reserve(estate, t, error);
}

static bool has_quotas(const struct quotas_shared *quotas)
{
	return quotas->count || quotas->others.publishers_max || quotas->others.memory_max;
}

static int write_quotas(struct estate *estate, struct floe_error *error)
{
	struct quotas_shared *quotas = &estate->quotas;

	if (!has_quotas(quotas)) {
		terms_remove_quotas(&estate->node->domain);
		return 0;
	}
	quotas->identity = identity_make(QUOTAS_MAGIC, QUOTAS_SIGNATURE);
	quotas->author = estate->node->id;
	return terms_write_quotas(quotas, &estate->node->domain, estate->node->domain.read_mode,
				  error);
}

int estate_apply(struct estate *estate, const struct config *config, struct floe_error *error)
{
	int r;

	release_others(estate, config);
	estate->quotas = config->quotas;
	r = write_quotas(estate, error);
	for (size_t i = 0; r == 0 && i < config->topics_count; i++)
		r = apply_topic(estate, &config->topics[i], error);
	status_set(estate->node->shared, STATUS_TOPICS, estate->count);
	return r;
}

static bool is_there(const struct topic *topic, const char *name)
{
	char path[DOMAIN_NAME_MAX + 16];

	(void)snprintf(path, sizeof(path), "%s/%s", topic->path, name);
	return file_id_at(AT_FDCWD, path) != 0;
}

static void look_at(struct estate *estate, struct estate_topic *t)
{
	struct floe_error error = {0};
	int r = 0;

	if (!t->topic.region.base || !is_there(&t->topic, "topic")) {
		topic_close(&t->topic);
		r = establish(estate, t, &error);
	} else if (!is_there(&t->topic, "terms")) {
		r = write_terms(estate, t, &error);
	}
	if (r == 0)
		r = fill_reserve(estate, t, &error);
	if (r < 0)
		say(SAY_ERROR, "topic '%s': %s", t->config.name, error.text);
}

void estate_look(struct estate *estate)
{
	struct floe_error error = {0};
	char path[DOMAIN_NAME_MAX];

	for (size_t i = 0; i < estate->count; i++)
		look_at(estate, estate->topic[i]);
	(void)snprintf(path, sizeof(path), "%s/quotas", estate->node->domain.path);
	if (has_quotas(&estate->quotas) && !file_id_at(AT_FDCWD, path) &&
	    write_quotas(estate, &error) < 0)
		say(SAY_ERROR, "%s", error.text);
}

/* A dead ring is one that its publisher left; those that lie ready are closed ones. */
static bool is_haunted(const struct domain *domain, const char *name)
{
	static struct view_room room;
	int count = view_publishers(domain, name, room.publisher, FLOE_PUBLISHERS_MAX);
	bool haunted = false;

	for (int i = 0; i < count && i < FLOE_PUBLISHERS_MAX; i++) {
		if (room.publisher[i].state == FLOE_STATE_ALIVE ||
		    room.publisher[i].state == FLOE_STATE_HIDDEN)
			return false;
		haunted |= room.publisher[i].state == FLOE_STATE_DEAD ||
			   room.publisher[i].sequence > 0;
	}
	return haunted;
}

/* Our lock is what keeps it: without it whoever is last removes it whole, and we begin again. */
void estate_sweep(struct estate *estate)
{
	for (size_t i = 0; i < estate->count; i++) {
		struct estate_topic *t = estate->topic[i];

		if (!t->topic.region.base || !is_haunted(&estate->node->domain, t->config.name))
			continue;
		cleanup_leave(&t->topic);
		look_at(estate, t);
	}
}

void estate_end(struct estate *estate)
{
	for (size_t i = 0; i < estate->count; i++)
		release(estate, estate->topic[i]);
	free(estate->topic);
	if (estate->node)
		terms_remove_quotas(&estate->node->domain);
	*estate = (struct estate){0};
}
