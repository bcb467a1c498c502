// Data of the server, cached by TanStack Query.
import { QueryClient, keepPreviousData, useInfiniteQuery, type QueryKey } from '@tanstack/vue-query'
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

/** A list of the API, page by page. */
export function usePages<Row>(
  key: MaybeRefOrGetter<QueryKey>,
  fetchPage: (cursor: string | undefined, signal: AbortSignal) => Promise<Page<Row>>,
) {
  const query = useInfiniteQuery({
    queryKey: computed(() => toValue(key)),
    queryFn: ({ pageParam, signal }) => fetchPage(pageParam, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    // After a change of the filters the former rows stay until the new ones arrive, so that the layout does not jump.
    placeholderData: keepPreviousData,
  })
  return reactive({
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

export type Pages<Row> = Omit<ReturnType<typeof usePages>, 'rows'> & { rows: Row[] }

interface CachedPages<Row> {
  pages: Page<Row>[]
  pageParams: unknown[]
}

/**
 * Changes one row in every cached list below `key`, and removes it from lists whose filters it no longer matches. The filters
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
        return matches(changed, filters) ? changed : []
      }),
    }))
    queryClient.setQueryData<CachedPages<Row>>(listKey, { ...cached, pages })
  }
}
