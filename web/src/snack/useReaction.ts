// A reaction is shown at once and corrected by the response.
import { useMutation } from '@tanstack/vue-query'
import { toValue, type MaybeRefOrGetter } from 'vue'

import { api, dataOf } from '../api/client'
import { Problem } from '../api/problem'
import type { ReactionResponse, ReactionType, Snack } from '../api/types'
import { t } from '../i18n'
import { useToasts, type ToastAction } from '../ui/toasts'
import { fetchSnack, patchSnack, showSnack } from './snacks'

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

function withResponse(snack: Snack, response: ReactionResponse): Snack {
  const { my_reaction, like_reaction_count, hate_reaction_count, like_ratio } = response
  return { ...snack, my_reaction, like_reaction_count, hate_reaction_count, like_ratio }
}

function send(uid: string, next: ReactionType | null): Promise<ReactionResponse> {
  const path = { uid }
  return next
    ? dataOf(api.POST('/snacks/{uid}/reaction', { params: { path }, body: { type: next } }))
    : dataOf(api.DELETE('/snacks/{uid}/reaction', { params: { path } }))
}

interface Change {
  next: ReactionType | null
  before: ReactionType | null
  /** The number of the click. */
  click: number
}

/** For each snack with requests in flight: the number of the last click, and the snack before the first one. */
const pending = new Map<string, { last: number; before: Snack }>()

/** Returns the handler for the reaction buttons of a snack. A second click on the same button offers to remove the reaction. */
export function useReaction(snack: MaybeRefOrGetter<Snack>) {
  const toasts = useToasts()
  const { uid } = toValue(snack)
  /** The id of the message that offers to remove the reaction. */
  let removalOffer: number | null = null
  // Responses to earlier clicks are not shown, so that the buttons do not flicker.
  const isLast = (click: number) => pending.get(uid)?.last === click

  const mutation = useMutation({
    // Requests are sent one after the other, in the order of the clicks.
    scope: { id: `reaction ${uid}` },
    mutationFn: ({ next }: Change) => send(uid, next),
    onSuccess: (response, { next, before, click }) => {
      if (!isLast(click)) return
      patchSnack(uid, (shown) => withResponse(shown, response))
      if (!next && before) toasts.success(t(`reaction.removed.${before}`))
    },
    onError: async (error, { next, click }) => {
      const isDuplicate = error instanceof Problem && error.code === 'duplicate_reaction'
      // Many clicks on the same button give one message.
      if (isDuplicate && next && isLast(click)) removalOffer = toasts.problem(error, removal(next))
      else if (!isDuplicate) toasts.problem(error)
      if (!isLast(click)) return
      // The reaction may have changed in another browser.
      const now = await fetchSnack(uid).catch(() => pending.get(uid)?.before)
      if (now && isLast(click)) showSnack(now)
    },
    onSettled: (_response, _error, { click }) => {
      if (isLast(click)) pending.delete(uid)
    },
  })

  function change(next: ReactionType | null): void {
    const shown = toValue(snack)
    const click = (pending.get(uid)?.last ?? 0) + 1
    pending.set(uid, { last: click, before: pending.get(uid)?.before ?? shown })
    // An old offer would remove the new reaction.
    if (removalOffer !== null) toasts.remove(removalOffer)
    patchSnack(uid, (snack) => withReaction(snack, next))
    mutation.mutate({ next, before: shown.my_reaction, click })
  }

  function removal(type: ReactionType): ToastAction {
    return { label: t(`reaction.remove.${type}`), run: () => change(null) }
  }

  return (type: ReactionType) => change(type)
}
