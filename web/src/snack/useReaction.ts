// Liking and hating: shown at once, corrected by the answer.
import { useMutation } from '@tanstack/vue-query'
import { toValue, type MaybeRefOrGetter } from 'vue'

import { api, dataOf } from '../api/client'
import { Problem } from '../api/problem'
import type { ReactionAnswer, ReactionType, Snack } from '../api/types'
import { t } from '../i18n'
import { useToasts, type ToastAction } from '../ui/toasts'
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

interface Change {
  next: ReactionType | null
  before: ReactionType | null
  press: number
}

/** The presses on each snack that are not answered yet: the last one's number, and the snack as it was before the first. */
const pending = new Map<string, { last: number; before: Snack }>()

/** What happens when somebody presses a reaction of `snack`. The one that is there already is taken back by a button. */
export function useReaction(snack: MaybeRefOrGetter<Snack>) {
  const toasts = useToasts()
  const { uid } = toValue(snack)
  /** The message with that button. */
  let offer: number | null = null
  // An answer to an earlier press must not flicker through.
  const isLast = (press: number) => pending.get(uid)?.last === press

  const mutation = useMutation({
    // One after the other, in the order of the presses.
    scope: { id: `reaction ${uid}` },
    mutationFn: ({ next }: Change) => send(uid, next),
    onSuccess: (answer, { next, before, press }) => {
      if (!isLast(press)) return
      patchSnack(uid, (shown) => withAnswer(shown, answer))
      if (!next && before) toasts.success(t(`reaction.takenBack.${before}`))
    },
    onError: async (error, { next, press }) => {
      const isDuplicate = error instanceof Problem && error.code === 'duplicate_reaction'
      // Of many presses of the same button only the last one is told.
      if (isDuplicate && next && isLast(press)) offer = toasts.problem(error, takeBack(next))
      else if (!isDuplicate) toasts.problem(error)
      if (!isLast(press)) return
      // Somebody (a second browser, perhaps) was faster: what is true now is for the server to say.
      const now = await fetchSnack(uid).catch(() => pending.get(uid)?.before)
      if (now && isLast(press)) showSnack(now)
    },
    onSettled: (_answer, _error, { press }) => {
      if (isLast(press)) pending.delete(uid)
    },
  })

  function change(next: ReactionType | null): void {
    const shown = toValue(snack)
    const press = (pending.get(uid)?.last ?? 0) + 1
    pending.set(uid, { last: press, before: pending.get(uid)?.before ?? shown })
    // It would take back what is there now, which may be something else by then.
    if (offer !== null) toasts.remove(offer)
    patchSnack(uid, (snack) => withReaction(snack, next))
    mutation.mutate({ next, before: shown.my_reaction, press })
  }

  function takeBack(type: ReactionType): ToastAction {
    return { label: t(`reaction.takeBack.${type}`), run: () => change(null) }
  }

  return (type: ReactionType) => change(type)
}
