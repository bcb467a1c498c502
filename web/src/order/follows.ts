// The orders that the user follows: "I want this too".
import { queryOptions, useMutation, useQuery } from '@tanstack/vue-query'
import { computed, toValue, type MaybeRefOrGetter } from 'vue'

import { api, dataOf } from '../api/client'
import { queryClient } from '../api/query'
import { invalidateSnacks } from '../snack/snacks'
import { useToasts } from '../ui/toasts'
import { ORDERS, orderKey } from './orders'

/** The uids of the open orders that the user follows. One request for all snacks of a page. */
export const followedQuery = queryOptions({
  queryKey: ['followed orders'],
  queryFn: async ({ signal }) => {
    const query = { followed: 'me', status: ['created', 'approved', 'ordered'], limit: 100 } as const
    const { results } = await dataOf(
      api.GET('/orders', { params: { query: { ...query, status: [...query.status] } }, signal }),
    )
    return results.map(({ uid }) => uid)
  },
})

/** Follows an order or stops following it. */
export function useFollow(order: MaybeRefOrGetter<string>) {
  const toasts = useToasts()
  const { data } = useQuery(followedQuery)
  const isFollowed = computed(() => data.value?.includes(toValue(order)) ?? false)

  const { mutate, isPending } = useMutation({
    mutationFn: (follows: boolean) => {
      const params = { path: { uid: toValue(order) } }
      return dataOf(
        follows ? api.PUT('/orders/{uid}/follow', { params }) : api.DELETE('/orders/{uid}/follow', { params }),
      )
    },
    onSuccess: (_nothing, follows) => {
      const uid = toValue(order)
      queryClient.setQueryData(followedQuery.queryKey, (uids = []) => [
        ...uids.filter((other) => other !== uid),
        ...(follows ? [uid] : []),
      ])
      // They show the number of followers.
      void queryClient.invalidateQueries({ queryKey: ORDERS })
      void queryClient.invalidateQueries({ queryKey: orderKey(uid) })
    },
    onError: (error) => {
      toasts.problem(error)
      // The order may be closed, so that its snacks can be ordered again.
      invalidateSnacks()
    },
  })

  return { isFollowed, isPending, toggle: () => isPending.value || mutate(!isFollowed.value) }
}
