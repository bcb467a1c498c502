// A reaction is shown at once and corrected by the response.
import type { MutationOptions } from '@tanstack/vue-query'
import { toValue, type MaybeRefOrGetter } from 'vue'

import { api, dataOf } from '../api/client'
import { Problem } from '../api/problem'
import { queryClient } from '../api/query'
import type { ReactionResponse, ReactionType, Snack } from '../api/types'
import { t } from '../i18n'
import type { SnackEvent } from '../live/events'
import { useToasts, type ToastAction } from '../ui/toasts'
import { rereadSnack, shareReaction, showEvent } from './liveSnacks'
import { addPending, pendingOf, settle, withReaction } from './pendingReactions'
import { fetchSnack, patchSnack, showSnack } from './snacks'

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

/** Returns the handler for the reaction buttons of a snack. A second click on the same button offers to remove the reaction. */
export function useReaction(snack: MaybeRefOrGetter<Snack>) {
  const toasts = useToasts()
  const { uid } = toValue(snack)
  /** The id of the message that offers to remove the reaction. */
  let removalOffer: number | null = null
  // Responses to earlier clicks are not shown, so that the buttons do not flicker.
  const isLast = (click: number) => pendingOf(uid)?.last === click

  const mutation: MutationOptions<ReactionResponse, Error, Change> = {
    // Requests are sent one after the other, in the order of the clicks.
    scope: { id: `reaction ${uid}` },
    mutationFn: ({ next }: Change) => send(uid, next),
    onSuccess: (response, { next, before, click }) => {
      if (!isLast(click)) return
      patchSnack(uid, (shown) => withResponse(shown, response))
      shareReaction(uid, response.my_reaction)
      if (!next && before) toasts.success(t(`reaction.removed.${before}`))
    },
    onError: async (error, { next, click }) => {
      const isDuplicate = error instanceof Problem && error.code === 'duplicate_reaction'
      // Many clicks on the same button give one message.
      if (isDuplicate && next && isLast(click)) removalOffer = toasts.problem(error, removal(next))
      else if (!isDuplicate) toasts.problem(error)
      if (!isLast(click)) return
      // The reaction may have changed in another browser.
      const now = await fetchSnack(uid).catch(() => pendingOf(uid)?.before)
      if (now && isLast(click)) showSnack(now)
    },
    onSettled: (_response, _error, { click }) => {
      if (isLast(click)) settle(uid, showLast)
    },
  }

  /** Shows what has changed meanwhile. */
  function showLast(event: SnackEvent | null): void {
    if (event) showEvent(event)
    else rereadSnack(uid).catch(() => undefined)
  }

  function change(next: ReactionType | null): void {
    const shown = toValue(snack)
    const click = addPending(shown, next)
    // An old offer would remove the new reaction.
    if (removalOffer !== null) toasts.remove(removalOffer)
    patchSnack(uid, (snack) => withReaction(snack, next))
    // Without `useMutation`, whose state is not shown here and costs every card of a list.
    const cache = queryClient.getMutationCache()
    cache
      .build(queryClient, queryClient.defaultMutationOptions(mutation))
      .execute({ next, before: shown.my_reaction, click })
      .catch(() => undefined)
  }

  function removal(type: ReactionType): ToastAction {
    return { label: t(`reaction.remove.${type}`), run: () => change(null) }
  }

  return (type: ReactionType) => change(type)
}
