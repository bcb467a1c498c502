import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import type { ReactionType, Snack } from '../../src/api/types'
import type { SnackEvent } from '../../src/live/events'
import { addPending, hold, settle, withPending, withReaction } from '../../src/snack/pendingReactions'

const snack = (my_reaction: ReactionType | null) =>
  ({ my_reaction, like_reaction_count: 5, hate_reaction_count: 3 }) as Snack

describe('withReaction', () => {
  it.each([
    [null, 'like', 6, 3],
    [null, 'hate', 5, 4],
    ['like', 'hate', 4, 4],
    ['hate', 'like', 6, 2],
    ['like', null, 4, 3],
    ['hate', null, 5, 2],
    ['like', 'like', 5, 3],
  ] as const)('changes %s to %s', (before, after, likes, hates) => {
    expect(withReaction(snack(before), after)).toMatchObject({
      my_reaction: after,
      like_reaction_count: likes,
      hate_reaction_count: hates,
    })
  })
})

describe('an event of a snack', () => {
  const shown = { ...snack(null), uid: 'a' }
  const event = (like_reaction_count: number) =>
    ({ uid: 'a', like_reaction_count, hate_reaction_count: 0, like_ratio: 1, orderable: true }) satisfies SnackEvent

  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.runAllTimers()
    vi.useRealTimers()
  })

  /** A reaction that has been sent. Returns what is shown when it is over. */
  function start() {
    const released: (SnackEvent | null)[] = []
    addPending(shown, 'like')
    return { released, respond: () => settle('a', (last) => released.push(last)) }
  }

  it('is shown at once without a reaction under way', () => {
    expect(hold(event(5))).toBe(false)
  })

  it('waits until a second after the response, and the last one counts', () => {
    const { released, respond } = start()
    expect(hold(event(5))).toBe(true)
    respond()
    // It may be older than the reaction.
    expect([hold(event(6)), hold(event(7))]).toEqual([true, true])
    vi.advanceTimersByTime(999)
    expect(released).toEqual([])
    vi.advanceTimersByTime(1)
    expect(released).toEqual([event(7)])
    expect(hold(event(8))).toBe(false)
  })

  it('before the response is not shown, because it may be older than the reaction', () => {
    const { released, respond } = start()
    hold(event(5))
    vi.advanceTimersByTime(5000)
    respond()
    vi.advanceTimersByTime(1)
    expect(released).toEqual([])
    vi.advanceTimersByTime(999)
    expect(released).toEqual([null])
  })

  it('waits for a further reaction', () => {
    const { released, respond } = start()
    respond()
    hold(event(6))
    vi.advanceTimersByTime(500)
    addPending(shown, 'hate')
    vi.advanceTimersByTime(5000)
    expect(released).toEqual([])
    respond()
    vi.advanceTimersByTime(1000)
    expect(released).toEqual([null])
  })

  it('a read snack gets the reaction that the server does not have yet', () => {
    expect(withPending(shown)).toBe(shown)
    const { respond } = start()
    expect(withPending(shown)).toEqual(withReaction(shown, 'like'))
    respond()
    expect(withPending(shown)).toBe(shown)
  })
})
