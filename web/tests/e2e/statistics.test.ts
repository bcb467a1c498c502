import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

import type { components } from '../../src/api/schema'
import { appUrl, expectText, newMember, newOrder, newSnack, request, settled, useBrowser, type Snack } from './harness'

const { open } = useBrowser()

type Summary = components['schemas']['Summary']

describe('the statistics', () => {
  it('show the same figures as charts and as tables', async () => {
    const member = await newMember()
    await newOrder(member, [await newSnack({ price: '3.99', currency: 'USD' })], 3)
    const page = await open(member, '/statistics')
    await expect.poll(() => page.locator('canvas').count()).toBe(6)
    const drawn = await page
      .locator('canvas')
      .first()
      .evaluate((canvas: HTMLCanvasElement) => {
        const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height)
        return data.some((value) => value !== 0)
      })
    expect(drawn).toBe(true)

    await page.getByRole('tab', { name: '표' }).click()
    const summary = await request<Summary>('GET', '/statistics/summary?unit=month', member.token)
    const last = summary.results.at(-1)!
    const row = page.getByRole('region', { name: '기간별 주문' }).locator('tbody tr').last()
    const cells = await row.locator('td').allInnerTexts()
    expect(cells[0]).toBe(String(last.order_count))
    expect(cells[1]).toBe(last.snack_quantity.toLocaleString('ko-KR'))
    const dollars = last.amounts.find(({ currency }) => currency === 'USD')!.amount
    expect(cells[3]).toBe(`US$${Number(dollars).toLocaleString('en-US', { minimumFractionDigits: 2 })}`)

    // The address keeps the view.
    await page.reload()
    await page.getByRole('region', { name: '많이 주문한 간식' }).locator('tbody tr').first().waitFor()
    await page.getByRole('combobox', { name: '정렬' }).selectOption({ label: '이름순' })
    await settled(page)
    await page.getByRole('button', { name: '더 보기' }).click()
    await expect.poll(() => page.getByRole('region', { name: '많이 주문한 간식' }).locator('tbody tr').count()).toBe(20)
  })

  it('can be filtered by year, month, week, day and range', async () => {
    const page = await open(await newMember(), '/statistics?view=tables')
    const kind = page.getByRole('combobox', { name: '기간', exact: true })
    const rows = page.getByRole('region', { name: '기간별 주문' }).locator('tbody tr')
    const sent = (query: RegExp) =>
      page.waitForRequest((request) => /\/statistics\/summary\?/.test(request.url()) && query.test(request.url()))

    let request = sent(/year=\d{4}&unit=month/)
    await kind.selectOption({ label: '연도' })
    await request
    await expect.poll(() => rows.count()).toBe(12)

    request = sent(/year=\d{4}&month=\d+&unit=day/)
    await kind.selectOption({ label: '월' })
    await request
    await page.getByRole('combobox', { name: '월' }).selectOption({ label: '2월' })
    await page.getByRole('combobox', { name: '연도' }).selectOption({ label: '2026년' })
    await expect.poll(() => rows.count()).toBe(28)
    await page.getByRole('combobox', { name: '단위' }).selectOption({ label: '주' })
    await expectText(rows.first(), /1주|5주|4주/)

    request = sent(/week=\d/)
    await kind.selectOption({ label: '주' })
    await request
    await expect.poll(() => rows.count()).toBe(7)

    request = sent(/day=\d+/)
    await kind.selectOption({ label: '일' })
    await request
    await expect.poll(() => rows.count()).toBe(1)

    await kind.selectOption({ label: '직접 선택' })
    await page.getByLabel('시작일').fill('2026-01-30')
    await page.getByLabel('종료일').fill('2026-02-02')
    await expect.poll(() => rows.count()).toBe(4)
    await expectText(rows.first(), /2026\. 1\. 30\./)

    // The server rejects a range of fifty years in days.
    await page.goto(appUrl('/statistics?from=1980-01-01&to=2029-12-31&unit=day'))
    await page.getByRole('alert').waitFor()
    await page.getByRole('alert').getByRole('button', { name: '다시 시도' }).waitFor()
  })

  it('can be downloaded as CSV', async () => {
    const page = await open(await newMember(), '/statistics')
    for (const [name, header] of [
      ['기간별 CSV', 'period,from,to,order_count,snack_quantity,KRW,USD,JPY'],
      ['간식별 CSV', 'uid,name,order_count,quantity,currency,amount'],
      ['주문 CSV', 'uid,status,created_at,user_name'],
    ] as const) {
      const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name }).click()])
      expect(download.suggestedFilename()).toMatch(/\.csv$/)
      const text = readFileSync(await download.path(), 'utf8')
      expect(text.startsWith(`\uFEFF${header}`)).toBe(true)
      expect(text.trim().split('\n').length).toBeGreaterThan(1)
    }
  })

  it('include canceled orders on request', async () => {
    const page = await open(await newMember(), '/statistics')
    const orders = page.locator('.tile').first().locator('dd')
    const without = Number((await orders.innerText()).replace(',', ''))
    await page.getByRole('switch', { name: '취소된 주문 포함' }).click()
    await expect.poll(async () => Number((await orders.innerText()).replace(',', ''))).toBeGreaterThan(without)
  })

  it('show each period and each snack once in the tooltip of its bar', async () => {
    const page = await open(await newMember(), '/orders')
    await page.addInitScript(() => {
      const drawn: string[] = []
      Object.assign(window, { drawn })
      const { fillText } = CanvasRenderingContext2D.prototype
      CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) {
        drawn.push(text)
        fillText.call(this, text, ...rest)
      }
    })
    await page.goto(appUrl('/statistics'))
    await settled(page)
    const drawn = () => page.evaluate(() => (window as unknown as { drawn: string[] }).drawn)
    /** The texts that are drawn when the pointer moves to a position in a chart. */
    const tooltip = async (title: string, at: (box: { width: number; height: number }) => { x: number; y: number }) => {
      const canvas = page.getByRole('img', { name: title })
      await canvas.scrollIntoViewIfNeeded()
      const before = (await drawn()).length
      await canvas.hover({ position: at((await canvas.boundingBox())!) })
      await expect.poll(async () => (await drawn()).length).toBeGreaterThan(before)
      return (await drawn()).slice(before)
    }
    const { results } = await request<Summary>('GET', '/statistics/summary?unit=month', (await newMember()).token)
    const last = results.at(-1)!
    const [year, month] = last.period.split('-').map(Number)
    const texts = await tooltip('주문 수', ({ width, height }) => ({ x: width - 25, y: height - 35 }))
    // The number is below the period, without a label.
    expect(texts).toContain(last.order_count.toLocaleString('ko-KR'))
    expect(texts.filter((text) => text.includes(`${year}년 ${month}월:`))).toEqual([])

    const top = await request<{ results: { snack: Snack; quantity: number }[] }>(
      'GET',
      '/statistics/snacks',
      (await newMember()).token,
    )
    const first = top.results[0]!
    const named = await tooltip('간식별 수량', ({ width }) => ({ x: width / 2, y: 25 }))
    expect(named).toContain(first.quantity.toLocaleString('ko-KR'))
    expect(named.filter((text) => text.startsWith(`${first.snack.name}:`))).toEqual([])
  })

  it('show a sentence instead of empty charts', async () => {
    const page = await open(await newMember(), '/statistics?year=2020')
    await expectText(page.locator('.nothing'), '이 기간에는 주문이 없습니다.')
    expect(await page.locator('canvas').count()).toBe(0)
    // The sentence is shown once.
    expect(await page.getByText('이 기간에는 주문이 없습니다.').count()).toBe(1)
    await page.getByRole('tab', { name: '표' }).click()
    await expect.poll(() => page.getByRole('region', { name: '기간별 주문' }).locator('tbody tr').count()).toBe(12)
    await page.getByRole('combobox', { name: '기간', exact: true }).selectOption({ label: '전체' })
    await page.getByRole('tab', { name: '차트' }).click()
    await page.locator('canvas').first().waitFor()
    expect(await page.locator('.nothing').count()).toBe(0)
  })

  it('lead from a bar and from a row of the table to the orders of its period', async () => {
    const page = await open(await newMember(), '/statistics?year=2026')
    const canvas = page.getByRole('img', { name: '주문 수' })
    await canvas.waitFor()
    const { width, height } = (await canvas.boundingBox())!
    // The last column, December, above its bar.
    await canvas.click({ position: { x: width - 20, y: height / 2 } })
    await page.waitForURL(appUrl('/orders?year=2026&month=12'))
    await settled(page)
    await page.goBack()
    await page.waitForURL(appUrl('/statistics?year=2026'))

    for (const [query, name, orders] of [
      ['year=2026', '2026년 1월', 'year=2026&month=1'],
      ['year=2026&unit=year', '2026', 'year=2026'],
      ['year=2026&month=3&unit=week', '2026년 3월 2주', 'year=2026&month=3&week=2'],
      // The months at the ends are shown in part.
      ['from=2026-01-05&to=2026-03-10&unit=month', '2026년 1월', 'from=2026-01-05&to=2026-01-31'],
      ['from=2026-01-05&to=2026-03-10&unit=month', '2026년 2월', 'year=2026&month=2'],
    ] as const) {
      await page.goto(appUrl(`/statistics?view=tables&${query}`))
      await settled(page)
      const link = page.getByRole('table', { name: '기간별 주문' }).getByRole('link', { name, exact: true })
      await link.focus()
      await page.keyboard.press('Enter')
      await page.waitForURL(appUrl(`/orders?${orders}`))
      await settled(page)
      await page.locator('li.order').first().waitFor()
    }
  })
})
