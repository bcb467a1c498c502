import { computed, reactive, ref, toValue, watch, type MaybeRefOrGetter } from 'vue'

import { api } from '../api/client'
import { usePages } from '../api/query'
import type { Snack } from '../api/types'
import { snackPage, useLiveSnackRows } from './liveSnacks'
import { SNACKS } from './snacks'

/** The number of new snacks in their row. */
const LIMIT = 12
/** In milliseconds. */
const WEEK = 7 * 24 * 60 * 60 * 1000

export function isNew(snack: Snack, now: number): boolean {
  return now - Date.parse(snack.created_at) < WEEK
}

/** The snacks above the list: those of the last week if `isShown`, else only the one that the user has just registered. */
export function useNewSnacks(isShown: MaybeRefOrGetter<boolean>, filters: MaybeRefOrGetter<unknown>) {
  const pages = usePages<Snack>(
    [...SNACKS, { status: 'all', limit: LIMIT }],
    (cursor, signal) =>
      snackPage(api.GET('/snacks', { params: { query: { ordering: '-created_at', limit: LIMIT, cursor } }, signal })),
    { isLive: true },
  )
  useLiveSnackRows(pages)
  /** The uid of the snack that the user has just registered. */
  const registered = ref<string | null>(null)
  watch(
    () => toValue(filters),
    () => (registered.value = null),
  )

  const rows = computed(() =>
    pages.rows.filter((snack) => (toValue(isShown) ? isNew(snack, Date.now()) : snack.uid === registered.value)),
  )

  /** Shows a snack that the user has just registered, whatever the filters are. */
  async function show(uid: string): Promise<void> {
    registered.value = uid
    await pages.retry()
  }

  return reactive({ rows, isPending: computed(() => pages.isPending), show })
}
