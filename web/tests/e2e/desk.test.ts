// The page that an admin works from.
import type { Locator, Page } from 'playwright-core'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'

import { fromLocalInput, today } from '../../src/time'
import { audit, overflows } from './checks'
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
  react,
  request,
  setLimit,
  settled,
  toast,
  useBrowser,
  type Order,
  type OrderStatus,
  type Person,
  type Snack,
  withoutStream,
} from './harness'

const { open } = useBrowser()
// The approvals of these tests must not depend on the budget of the demo data.
beforeAll(() => setLimit('KRW', null))

const fetched = async (order: Order) => request<Order>('GET', `/orders/${order.uid}`, await admin())
const history = async (order: Order) =>
  (
    await request<{ results: { to: string; reason: string | null; over_budget: boolean }[] }>(
      'GET',
      `/orders/${order.uid}/history`,
      await admin(),
    )
  ).results

const day = (after: number) => today(new Date(Date.now() + after * 86_400_000))

/** The card of an order on the desk. Loads more cards until it is there. */
async function deskCard(page: Page, order: Order): Promise<Locator> {
  const found = page.locator('li.order').filter({ has: page.locator(`a[href$="/orders/${order.uid}"]`) })
  const more = page.getByRole('button', { name: '더 보기' })
  await expect
    .poll(async () => {
      if ((await found.count()) === 0 && (await more.count()) > 0) await more.click()
      return found.count()
    })
    .toBe(1)
  return found
}

async function openDesk(stage: OrderStatus = 'created', options = {}): Promise<{ page: Page; boss: Person }> {
  const boss = await newAdmin()
  const page = await open(boss, `/desk?stage=${stage}`, options)
  return { page, boss }
}

const badge = (card: Locator) => card.locator('.badge[class*=status-]')
/** What has become of the last press on a card. No message covers the buttons. */
const outcome = (card: Locator) => card.locator('.outcome')

describe('the desk', () => {
  it('is for admins, who have it in their menu', async () => {
    const { page } = await openDesk()
    await page.getByRole('navigation', { name: '주 메뉴' }).getByRole('link', { name: '주문 관리' }).waitFor()
    const member = await open(await newMember())
    expect(await member.getByRole('link', { name: '주문 관리' }).count()).toBe(0)
    await member.goto(appUrl('/desk'))
    await toast(member, '관리자만 볼 수 있는 페이지입니다.').waitFor()
    await member.waitForURL(appUrl('/orders'))
  })

  it('counts the orders of each stage and shows one stage', async () => {
    const member = await newMember()
    const order = await newOrder(member)
    const token = await admin()
    const { page } = await openDesk()
    const stages = page.getByRole('group', { name: '단계' }).getByRole('button')
    const expected = await Promise.all(
      ['created', 'approved', 'ordered', 'shipping'].map(async (status) => {
        const { results, next_cursor } = await request<{ results: Order[]; next_cursor: string | null }>(
          'GET',
          `/orders?status=${status}&limit=100`,
          token,
        )
        return `${results.length}${next_cursor ? '+' : ''}`
      }),
    )
    await expect.poll(() => stages.locator('.count').allInnerTexts()).toEqual(expected)
    await (await deskCard(page, order)).waitFor()
    await stages.nth(1).click()
    expect(await stages.nth(1).getAttribute('aria-pressed')).toBe('true')
    await expect
      .poll(async () => new Set(await page.locator('li.order .badge[class*=status-]').allInnerTexts()))
      .toEqual(new Set(['승인 완료']))
    expect(page.url()).toContain('stage=approved')
  })

  it('shows what members think of each line, the note, the followers and the shops before anything is pressed', async () => {
    const [member, follower] = [await newMember(), await newMember()]
    const [liked, hated] = [await newSnack(), await newSnack()]
    await request('PATCH', `/snacks/${liked.uid}`, await admin(), { url: 'https://www.shop.example/snack' })
    await react(member, liked, 'like')
    await react(follower, liked, 'like')
    await react(member, hated, 'hate')
    const order = await request<Order>('POST', '/orders', member.token, {
      snacks: [liked, hated].map(({ uid }) => ({ uid, quantity: 2 })),
      note: '금요일 회의 때 먹어요.',
    })
    await request('PUT', `/orders/${order.uid}/follow`, follower.token)
    const { page } = await openDesk()
    const card = await deskCard(page, order)
    await expectText(card.locator('h2'), `${liked.name} 외 1가지 · ${member.name}`)
    await expectText(card.locator('.notes'), '금요일 회의 때 먹어요.')
    await expectText(card, /1명이 함께 원해요/)
    const line = (snack: Snack) => card.locator('li.line').filter({ hasText: snack.name })
    // The counters may trail.
    await expect
      .poll(async () => {
        await page.reload()
        await settled(page)
        await deskCard(page, order)
        return (await line(hated).innerText()).replace(/\s+/g, ' ')
      })
      .toContain('싫어요가 더 많음')
    await expectText(line(liked), /좋아요\s*2[\s\S]*싫어요\s*0[\s\S]*₩1,500 × 2개[\s\S]*₩3,000/)
    expect(await line(liked).getByText('싫어요가 더 많음').count()).toBe(0)
    await expectText(card, /다음 단계로 넘길 수 없습니다/)
    const link = line(liked).getByRole('link', { name: `${liked.name} 판매처 shop.example (새 창)` })
    expect(await link.getAttribute('href')).toBe('https://www.shop.example/snack')
    expect(await link.getAttribute('target')).toBe('_blank')

    await card.getByRole('button', { name: '승인', exact: true }).click()
    await expectText(outcome(card), `싫어요가 좋아요보다 많은 간식이 있습니다. ${hated.name}`)
    await expectText(badge(card), '승인 대기')
  })

  it('a whole round takes at most five presses', async () => {
    const order = await newOrder(await newMember())
    const { page } = await openDesk()
    const card = await deskCard(page, order)
    const position = await page
      .locator('li.order')
      .evaluateAll((all, uid) => all.findIndex((element) => element.querySelector(`a[href$="${uid}"]`)), order.uid)
    let presses = 0
    const press = async (name: RegExp | string) => {
      presses += 1
      await card.getByRole('button', { name, exact: typeof name === 'string' }).click()
    }

    await press('승인')
    await expectText(badge(card), '승인 완료')
    await press(/^내일/)
    await press('주문 완료로')
    await expectText(badge(card), '주문 완료')
    await press('배송 중으로')
    await expectText(badge(card), '배송 중')
    await press('완료')
    await expectText(badge(card), '배송 완료')
    expect(presses).toBeLessThanOrEqual(5)
    await expectText(outcome(card), '배송 완료로 변경했습니다.')
    expect(await page.locator('.toast').count()).toBe(0)

    // It is where it was, until another stage is chosen.
    expect(
      await page
        .locator('li.order')
        .evaluateAll((all, uid) => all.findIndex((element) => element.querySelector(`a[href$="${uid}"]`)), order.uid),
    ).toBe(position)
    const done = await fetched(order)
    expect(done.status).toBe('completed')
    expect(done.estimated_arrival_time).toBe(fromLocalInput(`${day(1)}T12:00`))
    await page.getByRole('group', { name: '단계' }).getByRole('button', { name: '배송 중' }).click()
    await expect.poll(() => page.locator(`a[href$="/orders/${order.uid}"]`).count()).toBe(0)
  })

  it('a round needs no mouse', async () => {
    const order = await newOrder(await newMember())
    const { page } = await openDesk()
    const card = await deskCard(page, order)
    const focused = () => page.evaluate(() => document.activeElement?.textContent?.trim() ?? '')
    const tabTo = async (text: RegExp) => {
      for (let presses = 0; presses < 30 && !text.test(await focused()); presses += 1) await page.keyboard.press('Tab')
      expect(await focused()).toMatch(text)
    }
    await card.locator('h2 a').focus()
    await tabTo(/^승인$/)
    await page.keyboard.press('Enter')
    await expectText(badge(card), '승인 완료')
    // The focus stays on the button, which is now that of the next step.
    await expect.poll(focused).toBe('주문 완료로')
    await page.keyboard.press('Enter')
    await card.getByText('도착 예정 시간을 입력해 주세요.').waitFor()
    expect(await page.evaluate(() => document.activeElement?.getAttribute('type'))).toBe('datetime-local')
    await tabTo(/^모레/)
    await page.keyboard.press('Space')
    await tabTo(/^주문 완료로$/)
    await page.keyboard.press('Enter')
    await expectText(badge(card), '주문 완료')
    await expect.poll(focused).toBe('배송 중으로')
    await page.keyboard.press('Enter')
    await expectText(badge(card), '배송 중')
    await expect.poll(focused).toBe('완료')
    await page.keyboard.press('Enter')
    await expectText(badge(card), '배송 완료')
    expect((await fetched(order)).estimated_arrival_time).toBe(fromLocalInput(`${day(2)}T12:00`))
  })

  it('shows the present state of an order that somebody else has changed', async () => {
    const order = await newOrder(await newMember())
    const { page } = await openDesk()
    await withoutStream(page)
    const card = await deskCard(page, order)
    await moveOrder(order, 'approved')
    await card.getByRole('button', { name: '승인', exact: true }).click()
    await expectText(outcome(card), '그사이에 주문이 바뀌었습니다')
    await expectText(badge(card), '승인 완료')
    await card.getByRole('button', { name: '주문 완료로' }).waitFor()
  })
})

describe('the arrival on the desk', () => {
  it('can be chosen, may be past, and is corrected with a reason while the order is ordered and shipping', async () => {
    const order = await newOrder(await newMember())
    await moveOrder(order, 'approved')
    const { page } = await openDesk('approved')
    const card = await deskCard(page, order)
    const field = card.getByLabel('도착 예정')
    const choice = (name: RegExp) => card.getByRole('button', { name })
    await choice(/금요일/).click()
    const friday = await field.inputValue()
    expect(new Date(`${friday}Z`).getUTCDay()).toBe(5)
    expect(friday > `${day(2)}T23:59`).toBe(true)
    expect(await choice(/금요일/).getAttribute('aria-pressed')).toBe('true')
    await choice(/^모레/).click()
    expect(await field.inputValue()).toBe(`${day(2)}T12:00`)

    await field.fill('2020-01-02T09:30')
    await card.getByText('지난 시간입니다. 그래도 저장할 수 있습니다.').waitFor()
    await card.getByRole('button', { name: '주문 완료로' }).click()
    await expectText(badge(card), '주문 완료')
    expect((await fetched(order)).estimated_arrival_time).toBe('2020-01-02T00:30:00Z')

    await card.getByText('도착 예정 시간이 지났습니다.').waitFor()
    for (const [status, reason] of [
      ['ordered', '날짜를 잘못 적었습니다.'],
      ['shipping', '배송이 늦어집니다.'],
    ] as const) {
      if (status === 'shipping') {
        await card.getByRole('button', { name: '배송 중으로' }).click()
        await expectText(badge(card), '배송 중')
      }
      // Without a change there is nothing to save.
      expect(await card.getByRole('button', { name: '도착 예정 변경' }).count()).toBe(0)
      await choice(status === 'ordered' ? /^내일/ : /^모레/).click()
      await card.getByLabel('변경 사유 (선택)').fill(reason)
      await card.getByRole('button', { name: '도착 예정 변경' }).click()
      await expectText(outcome(card), '도착 예정 시간을 변경했습니다.')
      await card.getByRole('button', { name: '도착 예정 변경' }).waitFor({ state: 'detached' })
      const changed = await fetched(order)
      expect(changed.status).toBe(status)
      expect(changed.estimated_arrival_time).toBe(fromLocalInput(`${day(status === 'ordered' ? 1 : 2)}T12:00`))
      expect((await history(order)).at(-1)).toMatchObject({ to: status, reason })
    }
  })
})

describe('canceling on the desk', () => {
  it('asks for a reason, which is sent', async () => {
    const order = await newOrder(await newMember())
    const { page } = await openDesk()
    const card = await deskCard(page, order)
    const cancel = async () => {
      await card.getByRole('button', { name: '다른 작업' }).click()
      await page.getByRole('menuitem', { name: '주문 취소' }).click()
    }
    await cancel()
    const dialog = page.getByRole('dialog')
    const reason = dialog.getByLabel('취소 사유')
    await expect.poll(() => reason.evaluate((field) => field === document.activeElement)).toBe(true)
    await dialog.getByRole('button', { name: '돌아가기' }).click()
    await dialog.waitFor({ state: 'detached' })
    expect((await fetched(order)).status).toBe('created')

    await cancel()
    await dialog.getByRole('button', { name: '주문 취소' }).click()
    await dialog.getByText('취소 사유를 입력해 주세요.').waitFor()
    await dialog.getByRole('button', { name: '품절되었습니다.' }).click()
    expect(await dialog.getByLabel('취소 사유').inputValue()).toBe('품절되었습니다.')
    await dialog.getByLabel('취소 사유').fill('다음 달에 다시 주문해 주세요.')
    await dialog.getByRole('button', { name: '주문 취소' }).click()
    await expectText(badge(card), '취소')
    await expectText(card, /취소 사유\s*다음 달에 다시 주문해 주세요\./)
    expect(await fetched(order)).toMatchObject({ status: 'canceled', reason: '다음 달에 다시 주문해 주세요.' })
  })

  it('needs no reason for an own order', async () => {
    const { page, boss } = await openDesk()
    const order = await newOrder(boss)
    await page.reload()
    await settled(page)
    const card = await deskCard(page, order)
    await card.getByRole('button', { name: '다른 작업' }).click()
    await page.getByRole('menuitem', { name: '주문 취소' }).click()
    await page.getByRole('dialog').getByRole('button', { name: '주문 취소' }).click()
    await expectText(badge(card), '취소')
    expect(await fetched(order)).toMatchObject({ status: 'canceled', reason: null })
  })
})

describe('several orders at once', () => {
  it('those that can are moved, and each result is told', async () => {
    const member = await newMember()
    const hated = await newSnack()
    const orders = [await newOrder(member), await newOrder(member), await newOrder(member, [hated])]
    await react(member, hated, 'hate')
    const { page } = await openDesk()
    const bulk = page.getByRole('region', { name: '여러 주문 처리' })
    const cards = [] as Locator[]
    for (const order of orders) cards.push(await deskCard(page, order))
    await expect
      .poll(async () => {
        await page.reload()
        await settled(page)
        return (await deskCard(page, orders[2]!)).innerText()
      })
      .toContain('싫어요가 더 많음')

    await bulk.getByLabel('모두 선택').check()
    const all = await page.locator('li.order').count()
    await expectText(bulk, new RegExp(`${all}개 선택`))
    await bulk.getByLabel('모두 선택').uncheck()
    await expect.poll(() => page.locator('li.order input:checked').count()).toBe(0)

    for (const card of cards) await card.getByRole('checkbox').check()
    await expectText(bulk, /3개 선택/)
    expect(await bulk.getByLabel('모두 선택').evaluate((box: HTMLInputElement) => box.indeterminate)).toBe(true)
    await expectText(bulk.locator('.blocked'), `제외: ${hated.name} · ${member.name} (싫어요가 더 많은 간식이 있음)`)
    await bulk.getByRole('button', { name: '2개 승인' }).click()
    const results = bulk.getByRole('list', { name: '처리 결과' }).getByRole('listitem')
    await expect.poll(() => results.count()).toBe(2)
    await expectText(results.nth(0), /: 주문을 승인했습니다\./)
    expect((await fetched(orders[2]!)).status).toBe('created')

    // The selection stays, for the next step of all.
    await cards[2]!.getByRole('checkbox').uncheck()
    await bulk.getByRole('button', { name: '2개 주문 완료로' }).click()
    await bulk.getByText('도착 예정 시간을 입력해 주세요.').waitFor()
    await bulk.getByRole('button', { name: /^모레/ }).click()
    await bulk.getByRole('button', { name: '2개 주문 완료로' }).click()
    await expect.poll(() => results.allInnerTexts()).toHaveLength(2)
    await expectText(results.nth(1), /주문 완료로 변경했습니다\./)
    for (const order of orders.slice(0, 2)) {
      expect(await fetched(order)).toMatchObject({
        status: 'ordered',
        estimated_arrival_time: fromLocalInput(`${day(2)}T12:00`),
      })
    }
  })

  it('each keeps its own arrival time unless a common one is entered', async () => {
    const member = await newMember()
    const orders = [await newOrder(member), await newOrder(member)]
    const arrivals = ['2031-01-01T03:00:00Z', '2031-01-02T03:00:00Z']
    for (const [index, order] of orders.entries()) {
      await moveOrder(order, 'approved')
      await request('PUT', `/orders/${order.uid}/status`, await admin(), {
        status: 'ordered',
        estimated_arrival_time: arrivals[index],
      })
    }
    const { page } = await openDesk('ordered')
    for (const order of orders) await (await deskCard(page, order)).getByRole('checkbox').check()
    const bulk = page.getByRole('region', { name: '여러 주문 처리' })
    await bulk.getByRole('button', { name: '2개 배송 중으로' }).click()
    await expect.poll(() => bulk.getByRole('listitem').count()).toBe(2)
    for (const [index, order] of orders.entries()) {
      expect(await fetched(order)).toMatchObject({ status: 'shipping', estimated_arrival_time: arrivals[index] })
    }
  })

  it('one that fails does not stop the others', async () => {
    const member = await newMember()
    const orders = [await newOrder(member), await newOrder(member)]
    const { page } = await openDesk()
    await withoutStream(page)
    for (const order of orders) await (await deskCard(page, order)).getByRole('checkbox').check()
    await moveOrder(orders[0]!, 'canceled')
    const bulk = page.getByRole('region', { name: '여러 주문 처리' })
    await bulk.getByRole('button', { name: '2개 승인' }).click()
    const results = bulk.getByRole('listitem')
    await expect.poll(() => results.count()).toBe(2)
    await expectText(results.nth(0), /그사이에 주문이 바뀌었습니다/)
    await expectText(results.nth(1), /주문을 승인했습니다/)
    await expectText(badge(await deskCard(page, orders[0]!)), '취소')
    expect((await fetched(orders[1]!)).status).toBe('approved')
  })
})

describe('the budget on the desk', () => {
  afterEach(() => setLimit('JPY', null))

  it('says before the press what will not fit, and a second press approves it all the same', async () => {
    const member = await newMember()
    const small = await newOrder(member, [await newSnack({ price: '100', currency: 'JPY' })], 1)
    const large = await newOrder(member, [await newSnack({ price: '1000', currency: 'JPY' })], 2)
    const { committed } = await setLimit('JPY', '1')
    await setLimit('JPY', String(Number(committed) + 1500))
    const { page } = await openDesk()
    const [fits, exceeds] = [await deskCard(page, small), await deskCard(page, large)]
    await expectText(fits.locator('.budget'), /이 주문\s*JP¥100[\s\S]*승인 후 남은 금액\s*JP¥1,400/)
    expect(await fits.getByText('넘어요').count()).toBe(0)
    await expectText(exceeds, /이 주문\s*JP¥2,000[\s\S]*예산을 JP¥500 넘어요\./)

    // Together they are judged in their order.
    await fits.getByRole('checkbox').check()
    await exceeds.getByRole('checkbox').check()
    await expectText(page.locator('.blocked'), /예산을 넘음/)
    await page.getByRole('button', { name: '1개 승인' }).waitFor()
    await page.getByRole('button', { name: '선택 해제' }).click()

    await exceeds.getByRole('button', { name: '승인', exact: true }).click()
    const second = exceeds.getByRole('button', { name: '예산을 넘겨 승인' })
    await second.waitFor()
    expect((await fetched(large)).status).toBe('created')
    await second.click()
    await expectText(badge(exceeds), '승인 완료')
    expect((await history(large)).at(-1)).toMatchObject({ to: 'approved', over_budget: true })
    // The other order no longer fits, either.
    await expectText(fits, /예산을 JP¥600 넘어요\./)
  })
})

describe('the layout of the desk', () => {
  it.each(['ko', 'en'])(
    'passes the checks on a phone and on a desktop, %s',
    async (language) => {
      const member = await newMember()
      const orders = [await newOrder(member), await newOrder(member)]
      await moveOrder(orders[1]!, 'approved')
      await setLimit('JPY', '100')
      for (const options of [
        { viewport: { width: 1440, height: 900 } },
        PHONE,
        { ...PHONE, viewport: { width: 320, height: 640 } },
      ]) {
        const { page } = await openDesk('created', options)
        await page.evaluate((chosen) => localStorage.setItem('snack.language', chosen), language)
        for (const stage of ['created', 'approved']) {
          await page.goto(appUrl(`/desk?stage=${stage}`))
          await settled(page)
          await page.locator('li.order input[type=checkbox]').first().check()
          expect(await audit(page)).toEqual([])
          expect(await overflows(page)).toBe(false)
        }
      }
      await setLimit('JPY', null)
    },
    120_000,
  )
})
