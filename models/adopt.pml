/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Take-over: publishers that want one name of a topic, one after the other or at once. Each adopts
 * the ring that the name leads to, if its owner is gone, or makes a new one; uses it; closes it or
 * dies anywhere. Beside them somebody removes rings whose owners are gone, because he wants another
 * plan, and may die as well.
 *
 * What the file system and the kernel do is one step each: open, look at a name, link, unlink, lock,
 * store the owner. Here it is only about who owns which file; ring.pml has what is in it.
 *
 * Checked: a ring has one user at a time; who uses it is who its owner word says, and the name leads
 * to it; a name is removed from its own file only; nobody waits for a lock of the dead.
 */

#include "memory.pml"

#ifndef PUBLISHERS
#define PUBLISHERS 3
#endif
#ifndef REMOVERS
#define REMOVERS 1
#endif
#ifndef PUBLISHER_KILLS
#define PUBLISHER_KILLS 2
#endif
#ifndef REMOVER_KILLS
#define REMOVER_KILLS 1
#endif

#define FILES PUBLISHERS
#define ANY (FILES + 1)

/* The folder's: which file the name leads to, 0: none. */
byte name;

/* A file's: its owner, 0: closed. Files are made once each, and are numbered from 1. */
byte owner[ANY];
byte files;

/* The kernel's: who has the lock of a file, who lives. Publishers from 1, removers after them. */
byte lock[ANY];
bool alive[PUBLISHERS + 1];

/* Seen by the checks only. */
byte user[ANY];
byte publisher_kills = PUBLISHER_KILLS;
byte remover_kills = REMOVER_KILLS;

#define is_gone(file) (owner[file] == 0 || !alive[owner[file]])

#define publisher_step(action) step(action, publisher_kills, died)

/* `goto other`: not to be had. Another index is tried then; here it is the end. */
inline adopt()
{
	if
	:: is_gone(file)
	:: !is_gone(file) -> goto other
	fi;
	if
	:: name == file
	:: name != file -> goto other
	fi;
#ifndef ADOPTER_WITHOUT_LOCK
	if
	:: atomic { lock[file] == 0 -> lock[file] = me }
	:: lock[file] != 0 -> goto other
	fi;
#endif
#ifndef ADOPTER_WITHOUT_SECOND_LOOK
	if
	:: is_gone(file)
	:: !is_gone(file) -> lock[file] = 0; goto other
	fi;
#endif
	publisher_step(owner[file] = me);
#ifndef ADOPTER_WITHOUT_LOCK
	publisher_step(lock[file] = 0);
#endif
#ifndef ADOPTER_WITHOUT_LOOK_AT_NAME
	if
	:: name == file
	:: name != file ->
		publisher_step(owner[file] = 0);
		goto other
	fi
#endif
}

/* Complete before it has a name. */
inline create()
{
	d_step { files++; file = files; owner[file] = me };
	if
	:: atomic { name == 0 -> name = file }
	:: name != 0 -> goto other
	:: atomic { publisher_kills > 0 -> publisher_kills--; goto died }
	fi
}

/* A message: others find the ring by its name, and nobody else is in it. */
inline use()
{
	publisher_step(d_step {
		assert(user[file] == me && owner[file] == me);
		assert(name == file)
	})
}

inline close()
{
	d_step { user[file] = 0 };
#ifdef CLOSER_OWNER_FIRST
	publisher_step(owner[file] = 0);
#endif
	if
	:: /* it is read: the name stays for a successor */
		skip
	:: name == file ->
		publisher_step(name = 0)
	fi;
#ifndef CLOSER_OWNER_FIRST
	publisher_step(owner[file] = 0)
#endif
}

proctype publisher(byte me)
{
	byte file;

	alive[me] = true;
	file = name;
	if
	:: file != 0 -> adopt()
	:: file == 0 -> create()
	fi;
	d_step { assert(user[file] == 0); user[file] = me };
	use();
	use();
	close();
	goto other;
died:
	skip;
	/* With the process go its use and its locks, its words stay. */
	d_step {
		if
		:: file != 0 && user[file] == me -> user[file] = 0
		:: else
		fi;
		if
		:: file != 0 && lock[file] == me -> lock[file] = 0
		:: else
		fi
	}
other:
	alive[me] = false
}

#define remover_step(action) step(action, remover_kills, died)

proctype remover(byte me)
{
	byte file;

	file = name;
	if
	:: file == 0 -> goto done
	:: file != 0
	fi;
#ifndef REMOVER_WITHOUT_LOCK
	if
	:: atomic { lock[file] == 0 -> lock[file] = me }
	:: lock[file] != 0 -> goto done
	fi;
#endif
#ifdef REMOVER_LOOKS_AT_NAME_FIRST
	if
	:: name == file
	:: name != file -> goto unlock
	fi;
#endif
	if
	:: is_gone(file)
	:: !is_gone(file) -> goto unlock
	fi;
	/* Its owner is gone, we have the lock: from here on the name stays what it is. */
#if !defined(REMOVER_LOOKS_AT_NAME_FIRST) && !defined(REMOVER_WITHOUT_LOOK_AT_NAME)
	if
	:: name == file
	:: name != file -> goto unlock
	fi;
#endif
	remover_step(d_step { assert(name == file && user[file] == 0); name = 0 });
unlock:
died:
	skip;
	d_step {
		if
		:: lock[file] == me -> lock[file] = 0
		:: else
		fi
	};
done:
	skip
}

init {
	byte i = 1;

	atomic {
		do
		:: i <= PUBLISHERS -> run publisher(i); i++
		:: else -> break
		od;
		do
		:: i <= PUBLISHERS + REMOVERS -> run remover(i); i++
		:: else -> break
		od
	};
	/* All are gone: every file is closed or its owner dead, and no lock is left. */
	_nr_pr == 1 ->
	assert(lock[1] == 0 && (name == 0 || is_gone(name)))
}
