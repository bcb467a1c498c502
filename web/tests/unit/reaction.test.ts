import { describe, expect, it } from 'vitest'

import type { ReactionType, Snack } from '../../src/api/types'
import { withReaction } from '../../src/snack/pendingReactions'

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
