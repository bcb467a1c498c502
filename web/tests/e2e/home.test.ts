import type { Page } from 'playwright-core'
import { describe, expect, it } from 'vitest'

import type { components } from '../../src/api/schema'
import {
  PHONE,
  admin,
  appUrl,
  expectText,
  moveOrder,
  newAdmin,
  newMember,
  newOrder,
  newSnack,
  orderCard,
  request,
  settled,
  toast,
  unique,
  useBrowser,
  type Order,
  type OrderStatus,
  type Person,
  withoutStream,
} from './harness'

type Summary = components['schemas']['Summary']

const { open } = useBrowser()

const waiting = (page: Page) => page.getByRole('region', { name: '내 주문 현황' }).getByRole('listitem')

/** Noon in Seoul, `days` from today there. */
function noon(days: number): string {
  const seoul = new Date(Date.now() + 9 * 3_600_000 + days * 86_400_000)
  return `${seoul.toISOString().slice(0, 10)}T03:00:00Z`
}

/** Moves an order along the flow up to a status. */
async function moveTo(order: Order, status: OrderStatus, change: Record<string, unknown> = {}): Promise<Order> {
  const flow: OrderStatus[] = ['approved', 'ordered', 'shipping', 'completed']
  const steps = flow.slice(0, flow.indexOf(status) + 1)
  let moved = order
  for (const to of steps) {
    const body = { status: to, estimated_arrival_time: noon(2), ...(to === status ? change : {}) }
    moved = await request('PUT', `/orders/${order.uid}/status`, await admin(), body)
  }
  return moved
}

const follow = (person: Person, order: Order) => request('PUT', `/orders/${order.uid}/follow`, person.token)
const fetched = async (order: Order) => request<Order>('GET', `/orders/${order.uid}`, await admin())

describe('the orders that a member waits for', () => {
  it('are on top of the home, with their progress and arrival', async () => {
    const [member, other] = [await newMember(), await newMember()]
    const names = ['오예스', '새우깡', '홈런볼'].map((name) => `${name} ${unique()}`)
    const snacks = await Promise.all(names.map((name) => newSnack({ name })))
    await moveTo(await newOrder(member), 'completed')
    const followed = await moveTo(await newOrder(other), 'approved')
    await follow(member, followed)
    const late = await moveTo(await newOrder(member), 'shipping', { estimated_arrival_time: noon(-2) })
    const soon = await moveTo(await newOrder(member), 'ordered', { estimated_arrival_time: noon(1) })
    const fresh = await newOrder(member, snacks)

    const page = await open(member)
    await expect.poll(() => waiting(page).count()).toBe(4)
    await expectText(waiting(page).nth(0), new RegExp(`승인 대기[\\s\\S]*${names[0]} 외 2가지[\\s\\S]*승인을 기다리고`))
    await expectText(waiting(page).nth(1), /주문 완료[\s\S]*내일 도착 예정/)
    await expectText(waiting(page).nth(2), /배송 중[\s\S]*도착 예정일이 2일 지났어요/)
    const title = `${followed.purchases[0]!.snack.name} · ${other.name}`
    await expectText(waiting(page).nth(3), new RegExp(`승인 완료[\\s\\S]*함께 기다리는 주문[\\s\\S]*${title}`))
    // It is above the list and the filters.
    const [strip, list] = [await waiting(page).first().boundingBox(), await page.locator('.toolbar').boundingBox()]
    expect(strip!.y).toBeLessThan(list!.y)
    for (const [index, order] of [fresh, soon, late, followed].entries()) {
      expect(await waiting(page).nth(index).getByRole('link').getAttribute('href')).toContain(order.uid)
    }

    // Changes are shown without a reload.
    await waiting(page).first().getByRole('link').press('Enter')
    await page.getByRole('heading', { name: `${names[0]} 외 2가지 · ${member.name}`, level: 1 }).waitFor()
    await page.getByRole('button', { name: '주문 취소' }).click()
    await page.getByRole('dialog').getByRole('button', { name: '주문 취소' }).click()
    await toast(page, '주문을 취소했습니다.').waitFor()
    await page.getByRole('link', { name: '주문 목록' }).click()
    await expect.poll(() => waiting(page).count()).toBe(3)
  })

  it('are not there without open orders', async () => {
    const page = await open(await newMember())
    await page.locator('li.order').first().waitFor()
    expect(await page.getByRole('region', { name: '내 주문 현황' }).count()).toBe(0)
  })

  it('scroll sideways on a phone without the page', async () => {
    const member = await newMember()
    for (let count = 0; count < 3; count += 1) await newOrder(member)
    const page = await open(member, '/orders', PHONE)
    await expect.poll(() => waiting(page).count()).toBe(3)
    const last = waiting(page).last()
    const right = async () => {
      const { x, width } = (await last.boundingBox())!
      return x + width
    }
    expect(await right()).toBeGreaterThan(390)
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390)
    await last.getByRole('link').focus()
    await expect.poll(right).toBeLessThanOrEqual(390)
  })
})

describe('an order', () => {
  it('is called by what is in it, in both languages', async () => {
    const member = await newMember()
    const name = `오예스 ${unique()}`
    const order = await newOrder(member, [await newSnack({ name }), await newSnack(), await newSnack()])
    const page = await open(member)
    const title = `${name} 외 2가지 · ${member.name}`
    await expectText(orderCard(page, order).locator('h2'), title)
    await orderCard(page, order).locator('h2 a').click()
    await page.getByRole('heading', { name: title, level: 1 }).waitFor()
    expect(await page.title()).toBe(`${title} · 간식 주문`)
    // The number is among the details only.
    const text = await page.locator('main').innerText()
    expect(text.split(order.uid.slice(0, 8))).toHaveLength(2)

    await page.getByRole('button', { name: '주문 수정' }).click()
    await page.getByRole('dialog', { name: `주문 수정: ${title}` }).waitFor()
    await page.goBack()
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    expect(await page.title()).toBe(`${title} · 간식 주문`)

    await page.getByRole('button', { name: 'English' }).click()
    await page.getByRole('heading', { name: `${name} and 2 more · ${member.name}`, level: 1 }).waitFor()
    await expect.poll(() => page.title()).toBe(`${name} and 2 more · ${member.name} · Snack orders`)
  })

  it('shows its note, and the reason of the last change', async () => {
    const member = await newMember()
    const order = await newOrder(member)
    const page = await open(member, `/orders/${order.uid}`)
    await page.getByRole('button', { name: '주문 수정' }).click()
    await page.getByRole('dialog').getByLabel('메모').fill('금요일 회의에\n필요합니다.')
    await page.getByRole('dialog').getByRole('button', { name: '저장' }).click()
    await toast(page, '주문을 수정했습니다').waitFor()
    await expectText(page.locator('.notes'), /메모\s+금요일 회의에\n필요합니다\./)
    expect((await fetched(order)).note).toBe('금요일 회의에\n필요합니다.')

    await request('PUT', `/orders/${order.uid}/status`, await admin(), { status: 'canceled', reason: '품절입니다.' })
    await page.reload()
    await expectText(page.locator('.notes'), /취소 사유\s+품절입니다\./)
    await expectText(page.locator('.timeline li').last(), /취소[\s\S]*품절입니다\./)
    await page.goto(appUrl(`/orders?user=${member.id}`))
    await expectText(orderCard(page, order), /메모\s+금요일 회의에[\s\S]*취소 사유\s+품절입니다\./)
  })

  it('shows in its history an approval over budget and a corrected arrival', async () => {
    const [member, boss] = [await newMember(), await newAdmin()]
    const order = await newOrder(member, [await newSnack({ price: '100', currency: 'JPY' })])
    const month = noon(0).slice(0, 7)
    const limit = (amount: string | null) =>
      request('PUT', `/budgets/${month}`, boss.token, { currency: 'JPY', amount, applies: 'month' })
    await limit('1')
    await request('PUT', `/orders/${order.uid}/status`, boss.token, { status: 'approved', over_budget: true })
    await limit(null)
    const arrival = { estimated_arrival_time: noon(3) }
    await request('PUT', `/orders/${order.uid}/status`, boss.token, { status: 'ordered', ...arrival })
    const corrected = { estimated_arrival_time: noon(5), reason: '택배가 늦어집니다.' }
    await request('PUT', `/orders/${order.uid}/arrival`, boss.token, corrected)

    const page = await open(member, `/orders/${order.uid}`)
    const steps = page.locator('.timeline li')
    await expectText(steps.nth(1), /승인 완료\s*예산 초과 승인/)
    await expectText(steps.nth(2), /^주문 완료/)
    await expectText(steps.nth(3), /도착 예정 변경[\s\S]*택배가 늦어집니다\./)
    expect(await steps.nth(3).innerText()).not.toContain('주문 완료')
  })
})

describe('the months of the order list', () => {
  const heading = (page: Page) => page.locator('.month').first()

  it('have the sums of the statistics, for the period that is shown', async () => {
    const member = await newMember()
    await newOrder(member, [await newSnack({ price: '1500' })], 2)
    const page = await open(member)
    const expectSums = async (query: string) => {
      const { results } = await request<Summary>('GET', `/statistics/summary?unit=month${query}`, member.token)
      const { order_count, amounts } = results.at(-1)!
      const won = Number(amounts.find(({ currency }) => currency === 'KRW')!.amount).toLocaleString('ko-KR')
      await expectText(heading(page), new RegExp(`${order_count}건 \\(취소 제외\\) · ₩${won}(?!\\d|,)`))
    }
    await expectSums('')
    await expectText(heading(page).getByRole('heading'), /^\d{4}년 \d+월$/)
    const today = noon(0).slice(0, 10)
    await page.goto(appUrl(`/orders?from=${today}&to=${today}`))
    await settled(page)
    await expectSums(`&from=${today}&to=${today}`)
  })

  it('have no sums if orders are left out, and no headings in another order', async () => {
    const page = await open(await newMember())
    for (const query of ['status=completed', 'user=1']) {
      await page.goto(appUrl(`/orders?${query}`))
      await settled(page)
      await heading(page).waitFor()
      expect(await heading(page).innerText()).not.toMatch(/건|₩/)
    }
    await page.goto(appUrl('/orders?ordering=status'))
    await settled(page)
    await page.locator('li.order').first().waitFor()
    expect(await heading(page).count()).toBe(0)
  })
})

describe('canceling an order of your own', () => {
  it('works while nobody has approved it, with a reason, by keyboard alone', async () => {
    const member = await newMember()
    const order = await newOrder(member)
    const page = await open(member)
    await orderCard(page, order).getByRole('button', { name: '주문 취소' }).focus()
    await page.keyboard.press('Enter')
    const dialog = page.getByRole('dialog')
    await dialog.getByText(`${order.purchases[0]!.snack.name} · ${member.name}`).waitFor()
    await dialog.getByLabel('취소 사유').focus()
    await page.keyboard.type('잘못 담았습니다.')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await toast(page, '주문을 취소했습니다.').waitFor()
    await expectText(orderCard(page, order), /취소 사유\s+잘못 담았습니다\./)
    const { status, reason } = await fetched(order)
    expect({ status, reason }).toEqual({ status: 'canceled', reason: '잘못 담았습니다.' })
    expect(await orderCard(page, order).getByRole('button', { name: '주문 취소' }).count()).toBe(0)
  })

  it('shows the present order if it was approved meanwhile', async () => {
    const member = await newMember()
    const order = await newOrder(member)
    const page = await open(member, `/orders/${order.uid}`)
    await page.getByRole('button', { name: '주문 취소' }).click()
    await moveOrder(order, 'approved')
    const dialog = page.getByRole('dialog')
    await expectText(dialog.getByRole('alert'), '그사이에 주문이 바뀌었습니다.')
    await dialog.getByRole('button', { name: '주문 취소' }).click()
    await expectText(dialog.getByRole('alert'), '승인 대기 중인 주문만 취소할 수 있습니다.')
    await dialog.getByRole('button', { name: '돌아가기' }).click()
    await dialog.waitFor({ state: 'detached' })
    await expectText(page.locator('.heading'), '승인 완료')
    expect(await page.getByRole('button', { name: '주문 취소' }).count()).toBe(0)
    expect((await fetched(order)).status).toBe('approved')
  })

  it('is for its owner', async () => {
    const order = await newOrder(await newMember())
    const page = await open(await newMember(), `/orders/${order.uid}`)
    await page.getByRole('button', { name: '나도 원해요' }).waitFor()
    expect(await page.getByRole('button', { name: '주문 취소' }).count()).toBe(0)
  })
})

describe('ordering again', () => {
  const again = (page: Page) => page.getByRole('button', { name: '다시 담기' })
  const bar = (page: Page) => page.getByRole('region', { name: '주문할 간식' })

  it('puts the snacks into the cart, without those that cannot be ordered now', async () => {
    const member = await newMember()
    const [free, taken, gone] = [await newSnack({ price: '1500' }), await newSnack(), await newSnack()]
    const order = await newOrder(member, [free, taken, gone], 3)
    await moveTo(order, 'completed')
    await newOrder(await newMember(), [taken])
    await request('PUT', `/snacks/${gone.uid}/status`, await admin(), { status: 'unavailable' })

    const page = await open(member, `/orders/${order.uid}`)
    await again(page).click()
    await page.waitForURL(appUrl('/snacks'))
    await expectText(toast(page, '간식 1가지를 장바구니에 담았습니다.'), new RegExp(`${taken.name}, ${gone.name}`))
    await expectText(bar(page), /1가지, 3개[\s\S]*₩4,500/)
  })

  it('keeps what is in the cart', async () => {
    const member = await newMember()
    const [first, second] = [await newSnack(), await newSnack()]
    const orders = [await newOrder(member, [first], 2), await newOrder(member, [second], 5)]
    for (const order of orders) await moveTo(order, 'completed')
    const page = await open(member, `/orders?user=${member.id}`)
    for (const order of orders) {
      await orderCard(page, order).getByRole('button', { name: '다시 담기' }).click()
      await page.waitForURL(appUrl('/snacks'))
      await page.goBack()
      await settled(page)
    }
    await page.goForward()
    await expectText(bar(page), /2가지, 7개/)
  })

  it('says so if none of them can be ordered', async () => {
    const member = await newMember()
    const order = await moveTo(await newOrder(member), 'shipping')
    await request('PUT', `/snacks/${order.purchases[0]!.snack.uid}/status`, await admin(), { status: 'unavailable' })
    const page = await open(member, `/orders/${order.uid}`)
    await again(page).click()
    await expectText(toast(page, '지금 담을 수 있는 간식이 없습니다.'), order.purchases[0]!.snack.name)
    expect(page.url()).toContain(order.uid)
    // Its own snacks are on order until it ships.
    const approved = await moveTo(await newOrder(member), 'approved')
    await page.goto(appUrl(`/orders/${approved.uid}`))
    await settled(page)
    expect(await again(page).count()).toBe(0)
  })
})

describe('following an order', () => {
  it('counts those who want it, too, and shows it at the top', async () => {
    const [member, owner] = [await newMember(), await newMember()]
    const order = await newOrder(owner)
    await follow(await newMember(), order)
    const page = await open(member, `/orders/${order.uid}`)
    await page.getByRole('button', { name: '나도 원해요 1명이 함께 원해요', pressed: false }).press('Enter')
    const pressed = page.getByRole('button', { name: '나도 원해요 2명이 함께 원해요', pressed: true })
    await pressed.waitFor()
    expect(await pressed.evaluate((button) => button === document.activeElement)).toBe(true)
    expect((await fetched(order)).follower_count).toBe(2)

    const owned = await open(owner, `/orders/${order.uid}`)
    await owned.getByText('2명이 함께 원해요').waitFor()
    expect(await owned.getByRole('button', { name: '나도 원해요' }).count()).toBe(0)

    await page.getByRole('link', { name: '주문 목록' }).click()
    await expect.poll(() => waiting(page).count()).toBe(1)
    await orderCard(page, order).getByRole('button', { name: '나도 원해요', pressed: true }).click()
    await expect.poll(() => waiting(page).count()).toBe(0)
    expect((await fetched(order)).follower_count).toBe(1)
  })

  it('of an order that was closed meanwhile fails and shows its status', async () => {
    const order = await newOrder(await newMember())
    const page = await open(await newMember(), `/orders/${order.uid}`)
    await withoutStream(page)
    await page.getByRole('button', { name: '나도 원해요' }).waitFor()
    await moveOrder(order, 'canceled')
    await page.getByRole('button', { name: '나도 원해요' }).click()
    await page.locator('.toast-problem').waitFor()
    await expectText(page.locator('.heading'), '취소')
    expect(await page.getByRole('button', { name: '나도 원해요' }).count()).toBe(0)
  })
})
