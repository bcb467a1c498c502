// Data of the server, cached by TanStack Query.
import { QueryClient, keepPreviousData, useInfiniteQuery, type Query, type QueryKey } from '@tanstack/vue-query'
import { computed, reactive, toValue, type MaybeRefOrGetter } from 'vue'

import { Problem } from './problem'
import type { Page } from './types'

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 15_000,
      // A browser without a network may still reach a server on its own machine, so the request is tried first.
      networkMode: 'offlineFirst',
      retry: (failures, error) => error instanceof Problem && error.isTemporary && failures < 2,
    },
    // Without a network a mutation fails at once. A paused one would run when the user no longer expects it.
    mutations: { networkMode: 'always' },
  },
})

/** The times at which the last reads of the queries have started. */
const readAt = new WeakMap<Query, number>()
queryClient.getQueryCache().subscribe((event) => {
  if (event.type === 'updated' && event.action.type === 'fetch') readAt.set(event.query, Date.now())
})

export function setReadAt(query: Query, time: number): void {
  readAt.set(query, time)
}

export function wasReadBefore(query: Query, time: number): boolean {
  return (readAt.get(query) ?? 0) < time
}

declare module '@tanstack/vue-query' {
  interface Register {
    queryMeta: {
      /** Changes are shown where they are, and new rows when the user asks for them (`live/useLiveRows.ts`). */
      isLive?: boolean
    }
  }
}

/** A list of the API, page by page. */
export function usePages<Row>(
  key: MaybeRefOrGetter<QueryKey>,
  fetchPage: (cursor: string | undefined, signal: AbortSignal) => Promise<Page<Row>>,
  { isLive = false } = {},
) {
  const query = useInfiniteQuery({
    meta: { isLive },
    // The rows would get other positions when the window gets the focus.
    ...(isLive ? { refetchOnWindowFocus: false, refetchOnReconnect: false } : {}),
    queryKey: computed(() => toValue(key)),
    queryFn: ({ pageParam, signal }) => fetchPage(pageParam, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    // After a change of the filters the former rows stay until the new ones arrive, so that the layout does not jump.
    placeholderData: keepPreviousData,
  })
  return reactive({
    key: computed(() => toValue(key)),
    fetchPage,
    rows: computed(() => query.data.value?.pages.flatMap((page) => page.results) ?? []),
    isPending: query.isPending,
    /** True while the rows are those of the former filters. */
    isStale: query.isPlaceholderData,
    error: query.error,
    hasMore: query.hasNextPage,
    isLoadingMore: query.isFetchingNextPage,
    loadMore: () => query.fetchNextPage(),
    retry: () => (query.data.value && query.isFetchNextPageError.value ? query.fetchNextPage() : query.refetch()),
  })
}

export type LivePages<Row> = Omit<ReturnType<typeof usePages>, 'rows' | 'fetchPage'> & {
  rows: Row[]
  fetchPage: (cursor: string | undefined, signal: AbortSignal) => Promise<Page<Row>>
}
export type Pages<Row> = Omit<LivePages<Row>, 'key' | 'fetchPage'>

export interface CachedPages<Row> {
  pages: Page<Row>[]
  pageParams: unknown[]
}

/**
 * Changes one row in every cached list below `key`, and removes it from lists whose filters it matches no longer. The filters
 * are the part of a list's key after `key`.
 */
export function patchRow<Row extends { uid: string }, Filters = unknown>(
  key: QueryKey,
  uid: string,
  change: (row: Row) => Row,
  matches: (row: Row, filters: Filters) => boolean = () => true,
): void {
  for (const [listKey, cached] of queryClient.getQueriesData<CachedPages<Row>>({ queryKey: key })) {
    if (!cached) continue
    const filters = listKey[key.length] as Filters
    const pages = cached.pages.map((page) => ({
      ...page,
      results: page.results.flatMap((row) => {
        if (row.uid !== uid) return row
        const changed = change(row)
        // A row that did not match before was left in its place on purpose.
        return matches(changed, filters) || !matches(row, filters) ? changed : []
      }),
    }))
    queryClient.setQueryData<CachedPages<Row>>(listKey, { ...cached, pages })
  }
}
