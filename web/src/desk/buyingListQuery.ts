import { queryOptions } from '@tanstack/vue-query'

import { api, dataOf } from '../api/client'
import type { BuyingList } from '../api/types'
import { BUYING_LIST } from '../order/orders'
import { today } from '../time'
import { saveFile } from '../ui/saveFile'

export function fetchBuyingList(signal?: AbortSignal): Promise<BuyingList> {
  return dataOf(api.GET('/orders/buying-list', { signal }))
}

export const buyingListQuery = queryOptions({
  queryKey: BUYING_LIST,
  queryFn: ({ signal }) => fetchBuyingList(signal),
  meta: { isLive: true },
  // The lines would get other positions when the window gets the focus.
  refetchOnWindowFocus: false,
  refetchOnReconnect: false,
})

export async function downloadBuyingList(): Promise<void> {
  const request = api.GET('/orders/buying-list', { headers: { Accept: 'text/csv' }, parseAs: 'blob' })
  saveFile(await dataOf(request), `buying-list-${today()}.csv`)
}
