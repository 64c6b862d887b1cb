/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a topic: whoever opens it makes its folder and its file if they are missing, and holds
 * a shared lock on the file; whoever leaves it tries to remove it, several at once, and may die
 * anywhere. Then comes one who cleans up.
 *
 * What the file system and the kernel do is one step each: make a folder, link, open, look at a name,
 * lock, unlink, remove an empty folder. Each participant has one name in the folder, as a publisher
 * has for its ring.
 *
 * Checked: all who are in the topic share one file, the one with the name, and their names stay;
 * without deaths the last one to leave leaves nothing; after deaths one clean-up leaves nothing.
 */

#include "memory.pml"

#ifndef PARTICIPANTS
#define PARTICIPANTS 3
#endif
#ifndef KILLS
#define KILLS 2
#endif
#ifdef NO_DEATH
#undef KILLS
#define KILLS 0
#endif

/* Files of the topic are numbered from 1; more are not made, for each needs a removal before it. */
#define FILES (PARTICIPANTS + 1)
#define CLEANER (PARTICIPANTS + 1)

/* The folder: whether it is there, the file `topic` in it, and a bit for the name of each. */
bool folder;
byte topic;
byte names;

/* The kernel's: who has a shared lock, and who the exclusive one. */
byte files;
byte sharing[FILES + 1];
byte excluding[FILES + 1];

/* Seen by the checks only. */
byte alive;
byte kills = KILLS;

#define mine bit(me - 1)
#define topic_step(action) step(action, kills, died)

/* The folder may go away between any two of these; then from the beginning. */
inline open()
{
	if
	:: !folder -> topic_step(folder = true)
	:: folder
	fi;
	file = topic;
	if
	:: file == 0 ->
		/* Complete before it has a name. */
		if
		:: atomic { folder && topic == 0 -> files++; topic = files }
		:: !folder || topic != 0
		fi;
		goto again
	:: file != 0
	fi;
	if
	:: atomic { excluding[file] == 0 -> sharing[file] = sharing[file] | mine }
	:: excluding[file] != 0 -> goto again
	fi;
#ifndef OPENER_WITHOUT_SECOND_LOOK
	if
	:: topic == file
	:: topic != file -> sharing[file] = sharing[file] & ~mine; goto again
	fi
#endif
}

/* Who is alive and has a name uses the topic. */
inline remove()
{
	file = topic;
	if
	:: file == 0 -> goto folder_only
	:: file != 0
	fi;
#ifndef REMOVER_WITHOUT_LOCK
	/* Another one who removes is waited for. */
	if
	:: atomic { excluding[file] == 0 && (sharing[file] & ~mine) == 0 -> excluding[file] = me }
	:: (sharing[file] & ~mine) != 0 -> goto out
	fi;
#endif
#ifndef REMOVER_WITHOUT_SECOND_LOOK
	if
	:: topic == file
	:: topic != file -> goto out
	fi;
#endif
	if
	:: (names & alive) != 0 -> goto out
	:: (names & alive) == 0
	fi;
#ifdef TOPIC_BEFORE_NAMES
	topic_step(topic = 0);
	topic_step(names = 0);
#else
	topic_step(names = 0);
	topic_step(topic = 0);
#endif
folder_only:
	topic_step(d_step {
		if
		:: topic == 0 && names == 0 -> folder = false
		:: else
		fi
	})
}

inline let_go()
{
	d_step {
		if
		:: file != 0 ->
			sharing[file] = sharing[file] & ~mine;
			if
			:: excluding[file] == me -> excluding[file] = 0
			:: else
			fi
		:: else
		fi
	}
}

proctype participant(byte me)
{
	byte file;

	d_step { alive = alive | mine };
again:
	open();
	topic_step(names = names | mine);
	/* Time passes, others come and go. */
	topic_step(d_step { assert(topic == file); assert(names & mine) });
	topic_step(names = names & ~mine);
	topic_step(sharing[file] = sharing[file] & ~mine);
	remove();
out:
died:
	skip;
	d_step { alive = alive & ~mine };
	let_go()
}

/* What a death left is removed by one who comes afterwards. */
proctype cleaner(byte me)
{
	byte file;

	remove();
out:
died:
	skip;
	let_go();
	assert(!folder && topic == 0 && names == 0)
}

init {
	byte i = 1;

	atomic {
		do
		:: i <= PARTICIPANTS -> run participant(i); i++
		:: else -> break
		od
	};
	_nr_pr == 1 ->
#ifdef NO_DEATH
	assert(!folder && topic == 0 && names == 0)
#else
	kills = 0;
	run cleaner(CLEANER)
#endif
}
