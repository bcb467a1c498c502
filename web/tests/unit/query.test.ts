import { describe, expect, it } from 'vitest'

import { patchRow, queryClient } from '../../src/api/query'

interface Row {
  uid: string
  status: string
}
interface Filters {
  status?: string[]
}

const page = (...rows: Row[]) => ({ pages: [{ results: rows, next_cursor: null }], pageParams: [undefined] })
const uids = (filters: Filters) =>
  queryClient
    .getQueryData<ReturnType<typeof page>>(['orders', filters])!
    .pages.flatMap(({ results }) => results.map(({ uid, status }) => `${uid} ${status}`))

describe('patchRow', () => {
  it('changes the row in every list and removes it where it no longer matches the filters', () => {
    const lists: Filters[] = [{}, { status: ['created'] }, { status: ['created', 'approved'] }]
    for (const filters of lists) {
      queryClient.setQueryData(
        ['orders', filters],
        page({ uid: 'a', status: 'created' }, { uid: 'b', status: 'created' }),
      )
    }
    patchRow<Row, Filters>(
      ['orders'],
      'a',
      (row) => ({ ...row, status: 'approved' }),
      (row, { status }) => !status || status.includes(row.status),
    )
    expect(lists.map(uids)).toEqual([['a approved', 'b created'], ['b created'], ['a approved', 'b created']])
  })
})
