import { queryOptions } from '@tanstack/vue-query'

import { api, dataOf } from '../api/client'
import { BUYING_LIST } from '../order/orders'
import { today } from '../time'
import { saveFile } from '../ui/saveFile'

export const buyingListQuery = queryOptions({
  queryKey: BUYING_LIST,
  queryFn: ({ signal }) => dataOf(api.GET('/orders/buying-list', { signal })),
})

export async function downloadBuyingList(): Promise<void> {
  const request = api.GET('/orders/buying-list', { headers: { Accept: 'text/csv' }, parseAs: 'blob' })
  saveFile(await dataOf(request), `buying-list-${today()}.csv`)
}
