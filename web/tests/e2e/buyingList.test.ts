import { readFileSync } from 'node:fs'
import type { Page } from 'playwright-core'
import { beforeAll, describe, expect, it } from 'vitest'

import { fromLocalInput, today } from '../../src/time'
import { audit, overflows } from './checks'
import {
  PHONE,
  admin,
  expectText,
  moveOrder,
  newAdmin,
  newMember,
  newOrder,
  newSnack,
  request,
  setLimit,
  settled,
  unique,
  useBrowser,
  type Order,
  type Person,
  type Snack,
  withoutStream,
} from './harness'

const { open } = useBrowser()
// The approvals of these tests must not depend on the budget of the demo data.
beforeAll(() => setLimit('KRW', null))

/** A snack of a shop. */
async function snackOf(host: string, price = '1500'): Promise<Snack> {
  const snack = await newSnack({ price })
  return request('PATCH', `/snacks/${snack.uid}`, await admin(), { url: `https://${host}/${snack.uid}` })
}

async function approvedOrder(person: Person, snacks: Snack[], quantity = 2): Promise<Order> {
  return moveOrder(await newOrder(person, snacks, quantity), 'approved')
}

const shop = (page: Page, host: string) => page.getByRole('region', { name: host, exact: true })
const fetched = async (order: Order) => request<Order>('GET', `/orders/${order.uid}`, await admin())

describe('the buying list', () => {
  it('sums up the approved orders by shop, with links that open the shop', async () => {
    const host = `a${unique()}.example`
    const [first, second] = [await snackOf(host), await snackOf(host, '700')]
    const member = await newMember()
    await approvedOrder(member, [first, second])
    const page = await open(await newAdmin(), '/desk')
    await page.getByRole('link', { name: '구매 목록' }).click()
    await settled(page)
    const section = shop(page, host)
    await expectText(section, /₩4,400/)
    const line = section.getByRole('listitem').filter({ hasText: first.name })
    await expectText(line, new RegExp(`주문: ${member.name}[\\s\\S]*2개[\\s\\S]*× ₩1,500[\\s\\S]*₩3,000`))
    const link = line.getByRole('link', { name: `${first.name} 판매처 ${host} (새 창)` })
    expect(await link.getAttribute('href')).toBe(`https://${host}/${first.uid}`)
    expect(await link.getAttribute('target')).toBe('_blank')
  })

  it('what was bought is ticked, and orders whose lines are all bought are moved on, each or all together', async () => {
    const host = `b${unique()}.example`
    const member = await newMember()
    const snacks = [await snackOf(host), await snackOf(host), await snackOf(host), await snackOf(host)]
    const orders = [
      await approvedOrder(member, snacks.slice(0, 2)),
      await approvedOrder(member, snacks.slice(2, 3)),
      await approvedOrder(member, snacks.slice(3, 4)),
    ]
    const page = await open(await newAdmin(), '/buying-list')
    await withoutStream(page)
    const bought = page.getByRole('region', { name: '다 산 주문' })
    const tick = (snack: Snack) => page.getByLabel(`${snack.name} 구매함`)
    await expectText(bought, '산 간식을 체크하면')
    await tick(snacks[0]!).check()
    expect(await bought.getByRole('listitem').count()).toBe(0)
    await tick(snacks[1]!).check()
    await tick(snacks[2]!).check()
    // The ticks survive a reload.
    await page.reload()
    await settled(page)
    expect(await tick(snacks[0]!).isChecked()).toBe(true)
    await tick(snacks[3]!).check()
    const title = `(${snacks[0]!.name}|${snacks[1]!.name}) 외 1가지 · ${member.name}`
    const one = bought.getByRole('button', { name: new RegExp(`${title} 주문 완료로`) })

    await one.click()
    await bought.getByText('도착 예정 시간을 입력해 주세요.').waitFor()
    await bought.getByRole('button', { name: /^내일/ }).click()
    await one.click()
    await expectText(bought.getByRole('list', { name: '처리 결과' }), new RegExp(`${title}: 주문 완료로 변경했습니다.`))
    await tick(snacks[0]!).waitFor({ state: 'detached' })
    const tomorrow = fromLocalInput(`${today(new Date(Date.now() + 86_400_000))}T12:00`)
    expect(await fetched(orders[0]!)).toMatchObject({ status: 'ordered', estimated_arrival_time: tomorrow })

    // One of the others has been canceled meanwhile.
    await moveOrder(orders[1]!, 'canceled')
    await bought.getByRole('button', { name: '2개 주문 완료로' }).click()
    const results = bought.getByRole('list', { name: '처리 결과' }).getByRole('listitem')
    await expect.poll(() => results.count()).toBe(2)
    const result = (snack: Snack) => results.filter({ hasText: snack.name })
    expect(await result(snacks[2]!).innerText()).not.toContain('변경했습니다')
    await expectText(result(snacks[3]!), /주문 완료로 변경했습니다\./)
    expect((await fetched(orders[2]!)).status).toBe('ordered')
    await tick(snacks[3]!).waitFor({ state: 'detached' })
    expect(
      await page.evaluate(() => Object.entries(localStorage).filter(([key]) => key.startsWith('snack.bought.'))),
    ).toEqual([[expect.any(String), '[]']])
  })

  it('can be copied as text and saved as CSV', async () => {
    const host = `c${unique()}.example`
    const snack = await snackOf(host)
    await approvedOrder(await newMember(), [snack], 3)
    const page = await open(await newAdmin(), '/buying-list', { permissions: ['clipboard-read', 'clipboard-write'] })
    await shop(page, host).waitFor()
    await page.getByRole('button', { name: '복사' }).click()
    await page.locator('.toast').filter({ hasText: '구매 목록을 복사했습니다.' }).waitFor()
    const text = await page.evaluate(() => navigator.clipboard.readText())
    expect(text).toContain(`[${host}] ₩4,500\n${snack.name}\t3\t₩1,500\t₩4,500\t${snack.url}`)
    expect(text).toMatch(/\n\n합계 .*₩/)

    let accept: string | undefined
    await page.route('**/orders/buying-list', (route) => {
      accept = route.request().headers().accept
      return route.continue()
    })
    const download = page.waitForEvent('download')
    await page.getByRole('button', { name: 'CSV' }).click()
    const file = await download
    expect(accept).toBe('text/csv')
    expect(file.suggestedFilename()).toBe(`buying-list-${today()}.csv`)
    const lines = readFileSync(await file.path(), 'utf8').split('\n')
    expect(lines[0]).toBe('\ufeffhost,snack_name,quantity,unit_price,currency,amount')
    expect(lines).toContain(`${host},${snack.name},3,1500,KRW,4500`)
  })

  it.each(['ko', 'en'])('passes the checks, %s', async (language) => {
    const snack = await snackOf(`${'long-name-'.repeat(5)}${unique()}.example`, '999999999999')
    const order = await approvedOrder(await newMember(), [snack], 1000)
    const boss = await newAdmin()
    for (const options of [{}, PHONE, { ...PHONE, viewport: { width: 320, height: 640 } }]) {
      const page = await open(boss, '/buying-list', options)
      await page.evaluate((chosen) => localStorage.setItem('snack.language', chosen), language)
      await page.reload()
      await settled(page)
      await page.locator('li.line').filter({ hasText: snack.name }).getByRole('checkbox').check()
      await page.locator('.bought li').first().waitFor()
      expect(await audit(page)).toEqual([])
      expect(await overflows(page)).toBe(false)
    }
    await moveOrder(order, 'canceled')
  })
})
