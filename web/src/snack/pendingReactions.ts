// Reactions that are shown before the server has responded. Events and reads that do not have them yet do not undo them.
import type { ReactionType, Snack } from '../api/types'
import type { SnackEvent } from '../live/events'

/** An event after the response may be older than the reaction for so long, in milliseconds. */
const SETTLING = 1000

interface Pending {
  /** The number of the last click. */
  last: number
  /** The snack before the first one. */
  before: Snack
  next: ReactionType | null
}

/** The snacks with requests in flight. */
const pending = new Map<string, Pending>()
/** The times of the last responses, if they are recent. */
const settledAt = new Map<string, number>()
/** The last events of snacks in `pending` or `settledAt`. */
const held = new Map<string, { event: SnackEvent; at: number }>()

/** The snack after a change of the user's reaction to `next`. */
export function withReaction(snack: Snack, next: ReactionType | null): Snack {
  const change = (type: ReactionType) => Number(next === type) - Number(snack.my_reaction === type)
  return {
    ...snack,
    my_reaction: next,
    like_reaction_count: snack.like_reaction_count + change('like'),
    hate_reaction_count: snack.hate_reaction_count + change('hate'),
  }
}

/** A snack of the server with the reaction that it may not have yet. */
export function withPending(snack: Snack): Snack {
  const reaction = pending.get(snack.uid)
  return reaction ? withReaction(snack, reaction.next) : snack
}

export const pendingOf = (uid: string): Readonly<Pending> | undefined => pending.get(uid)

/** Returns the number of the click. */
export function addPending(shown: Snack, next: ReactionType | null): number {
  const former = pending.get(shown.uid)
  const last = (former?.last ?? 0) + 1
  pending.set(shown.uid, { last, before: former?.before ?? shown, next })
  return last
}

/** The last request has been responded to. `release` gets the last event since then, or null if there were earlier ones only. */
export function settle(uid: string, release: (event: SnackEvent | null) => void): void {
  pending.delete(uid)
  const now = Date.now()
  settledAt.set(uid, now)
  setTimeout(() => {
    // There was another click.
    if (settledAt.get(uid) !== now || pending.has(uid)) return
    settledAt.delete(uid)
    const last = held.get(uid)
    held.delete(uid)
    if (last) release(last.at >= now ? last.event : null)
  }, SETTLING)
}

/** True while a reaction of this page is under way or has just been responded to. */
export function isHeld(uid: string): boolean {
  return pending.has(uid) || settledAt.has(uid)
}

/** Keeps an event until its snack has no reaction under way. False if it has none. */
export function hold(event: SnackEvent): boolean {
  if (!isHeld(event.uid)) return false
  held.set(event.uid, { event, at: Date.now() })
  return true
}
