// Changes of snacks, shown where the snacks are shown.
import { dataOf, tokens } from '../api/client'
import { queryClient, type CachedPages, type LivePages } from '../api/query'
import type { Page, Snack } from '../api/types'
import type { SnackEvent } from '../live/events'
import { useLive } from '../live/useLive'
import { useLiveRows } from '../live/useLiveRows'
import { hold, isHeld, withPending } from './pendingReactions'
import { SNACKS, fetchSnack, snackKey, updateSnack } from './snacks'

/** The snack as it is shown. */
function shownSnack(uid: string): Snack | undefined {
  const lists = queryClient.getQueriesData<CachedPages<Snack>>({ queryKey: SNACKS, type: 'active' })
  return (
    lists
      .flatMap(([, cached]) => cached?.pages.flatMap((page) => page.results) ?? [])
      .find((snack) => snack.uid === uid) ?? queryClient.getQueryData<Snack>(snackKey(uid))
  )
}

/** A page of a list, with the reactions that the server may not have yet. */
export async function snackPage(fetched: Parameters<typeof dataOf<Page<Snack>>>[0]): Promise<Page<Snack>> {
  const page = await dataOf(fetched)
  return { ...page, results: page.results.map(withPending) }
}

export async function fetchShownSnack(uid: string): Promise<Snack> {
  return withPending(await fetchSnack(uid))
}

/** Reads a snack and shows it where it is. */
export async function rereadSnack(uid: string): Promise<void> {
  const snack = await fetchSnack(uid)
  updateSnack(uid, () => withPending(snack))
}

/** Shows the data of an event. */
export function showEvent(event: SnackEvent): void {
  const shown = shownSnack(event.uid)
  if (!shown) return
  const { orderable, ...counts } = event
  updateSnack(event.uid, (snack) => ({ ...snack, ...counts }))
  if (shown.orderable === orderable) return
  // The open order is not part of the event. Without a response the snack is read again with the rest.
  rereadSnack(event.uid).catch(() => undefined)
  // Lists that are not shown are loaded again when they are.
  void queryClient.invalidateQueries({ queryKey: SNACKS, refetchType: 'none' })
}

interface SharedReaction {
  userId: number | null
  uid: string
  reaction: Snack['my_reaction']
}

/** The user's reactions in the other tabs, which events do not tell. */
const reactions = new BroadcastChannel('snack.reactions')

/** Shows a reaction of the user in the other tabs of the browser. */
export function shareReaction(uid: string, reaction: Snack['my_reaction']): void {
  reactions.postMessage({ userId: tokens.userId, uid, reaction } satisfies SharedReaction)
}

export function useLiveSnacks(): void {
  reactions.onmessage = ({ data: { userId, uid, reaction } }: MessageEvent<SharedReaction>) => {
    if (userId === tokens.userId && !isHeld(uid)) updateSnack(uid, (shown) => ({ ...shown, my_reaction: reaction }))
  }
  useLive({
    snack: (event) => {
      if (!hold(event)) showEvent(event)
    },
  })
}

/** Keeps the snacks of a list up to date in their places. */
export function useLiveSnackRows(pages: LivePages<Snack>): void {
  useLiveRows<Snack>(pages, {
    fetchRow: fetchShownSnack,
    merge: (_shown, read) => withPending(read),
  })
}
