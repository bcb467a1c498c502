import { describe, expect, it } from 'vitest'

import { ADMIN, PHONE, appUrl, newMember, settled, useBrowser } from './harness'

const { open } = useBrowser()

const LISTS = [
  { path: '/orders', filters: '필터·정렬', field: '주문한 사람', query: '?status=approved&user=me', active: 2 },
  { path: '/statistics', filters: '필터', field: '단위', query: '?year=2026&canceled=true', active: 2 },
  { path: '/users', filters: '필터·정렬', field: '역할', query: '?role=admin', active: 1 },
]

describe('the filters', () => {
  it.each(LISTS)('of $path are behind a button on a phone', async ({ path, filters, field, query, active }) => {
    const page = await open(ADMIN, path, PHONE)
    const button = page.getByRole('button', { name: filters, exact: true })
    const select = page.getByRole('combobox', { name: field })
    expect(await select.isVisible()).toBe(false)
    expect(await button.getAttribute('aria-expanded')).toBe('false')
    // They take a small part of the first screen.
    expect((await button.boundingBox())!.height).toBeLessThan(60)
    await button.press('Enter')
    await select.waitFor()
    expect(await button.getAttribute('aria-expanded')).toBe('true')
    await button.tap()
    await select.waitFor({ state: 'hidden' })

    // The button says how many are active.
    await page.goto(appUrl(path + query))
    await settled(page)
    await page.getByRole('button', { name: `${filters} ${active}개 적용 중`, exact: true }).waitFor()
  })

  it.each(LISTS)('of $path are always in view on a wide screen', async ({ path, filters, field, query }) => {
    const page = await open(ADMIN, path + query)
    expect(await page.getByRole('combobox', { name: field }).isVisible()).toBe(true)
    expect(await page.getByRole('button', { name: filters }).count()).toBe(0)
  })

  it('stay open while they are changed', async () => {
    const page = await open(await newMember(), '/orders', PHONE)
    await page.getByRole('button', { name: '필터·정렬' }).tap()
    await page.getByRole('combobox', { name: '주문한 사람' }).selectOption({ label: '내 주문' })
    await page.getByRole('button', { name: '필터·정렬 1개 적용 중' }).waitFor()
    expect(await page.getByRole('combobox', { name: '주문한 사람' }).isVisible()).toBe(true)
  })
})

describe('the tables of the statistics', () => {
  it('are stacked rows that name their cells on a phone', async () => {
    const page = await open(await newMember(), '/statistics?view=tables', {
      ...PHONE,
      viewport: { width: 320, height: 640 },
    })
    for (const name of ['기간별 주문', '많이 주문한 간식']) {
      const table = page.getByRole('table', { name })
      const row = table.getByRole('row').last()
      // The roles stay, although rows and cells are blocks.
      expect(await row.getByRole('cell').count()).toBeGreaterThanOrEqual(3)
      const orders = row.getByRole('cell').first()
      const label = await orders.evaluate((cell) => getComputedStyle(cell, '::before').content)
      expect(label).toBe('"주문 수"')
      const [first, second] = [await orders.boundingBox(), await row.getByRole('cell').nth(1).boundingBox()]
      expect(second!.y).toBeGreaterThan(first!.y)
      expect(await table.evaluate(({ scrollWidth, parentElement }) => scrollWidth <= parentElement!.clientWidth)).toBe(
        true,
      )
    }
  })
})
