// Keeps the rows of a list up to date without moving any of them.
import { computed, onScopeDispose, reactive, shallowRef } from 'vue'
import { hashKey } from '@tanstack/vue-query'

import { queryClient, setReadAt, wasReadBefore, type CachedPages, type LivePages } from '../api/query'
import { useLive } from './useLive'

interface Options<Row> {
  /** A list that is not shown is simply loaded again. */
  isShown?: () => boolean
  /** Reads a row that is no longer on the pages of the list. */
  fetchRow: (uid: string) => Promise<Row>
  /** The row to be shown, of what is shown and what was read. */
  merge: (shown: Row, read: Row) => Row
}

/** The rows of a list with those that were read in their places, and the uids of those that are not in the list. */
export function mergeRows<Row extends { uid: string }>(
  cached: CachedPages<Row>,
  read: readonly Row[],
  merge: (shown: Row, read: Row) => Row,
): { merged: CachedPages<Row>; unseen: string[] } {
  const byUid = new Map(read.map((row) => [row.uid, row]))
  const seen = new Set<string>()
  const pages = cached.pages.map((page) => ({
    ...page,
    results: page.results.map((row) => {
      seen.add(row.uid)
      const fresh = byUid.get(row.uid)
      return fresh ? merge(row, fresh) : row
    }),
  }))
  return { merged: { ...cached, pages }, unseen: read.flatMap(({ uid }) => (seen.has(uid) ? [] : uid)) }
}

/** Reads a list again after events may have been missed, and when `check` is called. */
export function useLiveRows<Row extends { uid: string }>(
  pages: LivePages<Row>,
  { isShown = () => true, fetchRow, merge }: Options<Row>,
) {
  const found = shallowRef<{ list: string; uids: string[] } | null>(null)
  let isChecking = false
  let isCheckDue = false
  const end = new AbortController()
  onScopeDispose(() => end.abort())

  const cachedQuery = () => queryClient.getQueryCache().find({ queryKey: pages.key, exact: true })

  /** The uids of rows that the server has on the pages of the list and that are not shown. */
  const unseen = computed(() => {
    if (found.value?.list !== hashKey(pages.key) || pages.isStale) return []
    const shown = new Set(pages.rows.map(({ uid }) => uid))
    return found.value.uids.filter((uid) => !shown.has(uid))
  })

  /** Reads the list. Several calls at once need one further read. */
  async function check(): Promise<void> {
    isCheckDue = true
    if (isChecking) return
    isChecking = true
    while (isCheckDue) {
      isCheckDue = false
      // Without a response the rows stay as they are until the next check.
      await read().catch(() => undefined)
    }
    isChecking = false
  }

  async function read(): Promise<void> {
    const query = cachedQuery()
    // A read that is under way may not have the change.
    await query?.promise?.catch(() => undefined)
    const cached = query?.state.data as CachedPages<Row> | undefined
    if (!query || !cached) return
    setReadAt(query, Date.now())

    const results: Row[] = []
    let cursor: string | null | undefined
    for (let page = 0; page < cached.pages.length && cursor !== null; page += 1) {
      const { results: rows, next_cursor } = await pages.fetchPage(cursor, end.signal)
      results.push(...rows)
      cursor = next_cursor ?? null
    }
    const known = new Set(results.map(({ uid }) => uid))
    const gone = cached.pages.flatMap((page) => page.results).filter(({ uid }) => !known.has(uid))
    const others = await Promise.all(gone.map(({ uid }) => fetchRow(uid).catch(() => null)))

    // The list may have been loaded meanwhile.
    const present = query.state.data as CachedPages<Row> | undefined
    if (!present) return
    const { merged } = mergeRows(present, [...results, ...others.filter((row) => row !== null)], merge)
    queryClient.setQueryData(query.queryKey, merged)
    const { unseen } = mergeRows(present, results, merge)
    found.value = { list: query.queryHash, uids: unseen }
  }

  useLive({
    resync: (before) => {
      const query = cachedQuery()
      if (query && wasReadBefore(query, before)) void (isShown() ? check() : pages.retry())
    },
  })

  return reactive({ unseen, check })
}
