// Liking and hating: shown at once, corrected by the answer.
import { useMutation } from '@tanstack/vue-query'
import { toValue, type MaybeRefOrGetter } from 'vue'

import { api, dataOf } from '../api/client'
import type { ReactionAnswer, ReactionType, Snack } from '../api/types'
import { useToasts } from '../ui/toasts'
import { fetchSnack, patchSnack, showSnack } from './snacks'

/** A snack as it will be when its reaction has become `next`. */
export function withReaction(snack: Snack, next: ReactionType | null): Snack {
  const change = (type: ReactionType) => Number(next === type) - Number(snack.my_reaction === type)
  return {
    ...snack,
    my_reaction: next,
    like_reaction_count: snack.like_reaction_count + change('like'),
    hate_reaction_count: snack.hate_reaction_count + change('hate'),
  }
}

function withAnswer(snack: Snack, answer: ReactionAnswer): Snack {
  const { my_reaction, like_reaction_count, hate_reaction_count, like_ratio } = answer
  return { ...snack, my_reaction, like_reaction_count, hate_reaction_count, like_ratio }
}

function send(uid: string, next: ReactionType | null): Promise<ReactionAnswer> {
  const path = { uid }
  return next
    ? dataOf(api.POST('/snacks/{uid}/reaction', { params: { path }, body: { type: next } }))
    : dataOf(api.DELETE('/snacks/{uid}/reaction', { params: { path } }))
}

/** The presses on each snack that are not answered yet: the last one's number, and the snack as it was before the first. */
const pending = new Map<string, { last: number; before: Snack }>()

/** What happens when somebody presses a reaction of `snack`: the one that is there already is taken back. */
export function useReaction(snack: MaybeRefOrGetter<Snack>) {
  const toasts = useToasts()
  const { uid } = toValue(snack)
  // An answer to an earlier press must not flicker through.
  const isLast = (press: number) => pending.get(uid)?.last === press

  const mutation = useMutation({
    // One after the other, in the order of the presses.
    scope: { id: `reaction ${uid}` },
    mutationFn: ({ next }: { next: ReactionType | null; press: number }) => send(uid, next),
    onSuccess: (answer, { press }) => {
      if (isLast(press)) patchSnack(uid, (shown) => withAnswer(shown, answer))
    },
    onError: async (error, { press }) => {
      toasts.problem(error)
      if (!isLast(press)) return
      // Somebody (a second browser, perhaps) was faster: what is true now is for the server to say.
      const now = await fetchSnack(uid).catch(() => pending.get(uid)?.before)
      if (now && isLast(press)) showSnack(now)
    },
    onSettled: (_answer, _error, { press }) => {
      if (isLast(press)) pending.delete(uid)
    },
  })

  return function press(type: ReactionType): void {
    const shown = toValue(snack)
    const next = shown.my_reaction === type ? null : type
    const press = (pending.get(uid)?.last ?? 0) + 1
    pending.set(uid, { last: press, before: pending.get(uid)?.before ?? shown })
    patchSnack(uid, (snack) => withReaction(snack, next))
    mutation.mutate({ next, press })
  }
}
