import type { Page } from 'playwright-core'
import { beforeAll, describe, expect, it } from 'vitest'

import {
  appUrl,
  card,
  expectText,
  moveOrder,
  newAdmin,
  newMember,
  newOrder,
  newSnack,
  orderCard,
  react,
  request,
  setLimit,
  settled,
  toast,
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

/** Searches a snack in the list and adds it to the cart. */
async function choose(page: Page, snack: Snack): Promise<void> {
  await page.getByLabel('검색').fill(snack.name)
  await card(page, snack)
    .getByRole('button', { name: `${snack.name} 담기` })
    .click()
}

/** Opens the orders of `person`. */
async function openOrders(as: Person, person: Person): Promise<Page> {
  const page = await open(as)
  await page.goto(appUrl(`/orders?user=${person.id}`))
  await settled(page)
  return page
}

const status = (page: Page, order: Order) => orderCard(page, order).locator('.badge[class*=status-]')

/** Presses the button of the next step. */
async function move(page: Page, order: Order, to: string): Promise<void> {
  await orderCard(page, order).getByRole('button', { name: to, exact: true }).click()
}

async function chooseInMenu(page: Page, order: Order, item: string): Promise<void> {
  await orderCard(page, order).getByRole('button', { name: '다른 작업' }).click()
  await page.getByRole('menuitem', { name: item, exact: true }).click()
}

describe('ordering snacks', () => {
  it('the cart keeps snacks of several pages, with a total for each currency', async () => {
    const [won, dollars] = [await newSnack({ price: '1500' }), await newSnack({ price: '3.99', currency: 'USD' })]
    const member = await newMember()
    const page = await open(member, '/snacks')
    await choose(page, won)
    await choose(page, dollars)
    const bar = page.getByRole('region', { name: '주문할 간식' })
    await expectText(bar, /2가지, 2개/)
    await expectText(bar, /₩1,500 \+ US\$3\.99/)

    await card(page, dollars).getByRole('button', { name: '수량 늘리기' }).click()
    await card(page, dollars).getByRole('button', { name: '수량 늘리기' }).click()
    await expectText(bar, /₩1,500 \+ US\$11\.97/)

    // The cart survives a reload.
    await page.reload()
    await expectText(bar, /2가지, 4개/)

    await bar.getByRole('button', { name: '주문하기' }).click()
    const dialog = page.getByRole('dialog')
    const quantity = dialog.getByRole('spinbutton', { name: `${won.name} 수량` })
    await quantity.fill('12')
    await quantity.press('Tab')
    await expectText(dialog.locator('.totals'), /₩18,000[\s\S]*US\$11\.97/)
    await dialog.getByRole('button', { name: '주문하기' }).click()

    await page.waitForURL(/\/orders\/[0-9a-f-]{36}$/)
    await toast(page, '주문했습니다').waitFor()
    await expectText(
      page.locator('.purchases'),
      new RegExp(`${won.name}[\\s\\S]*₩18,000[\\s\\S]*${dollars.name}[\\s\\S]*US\\$11\\.97`),
    )
    const order = await request<Order>('GET', `/orders/${page.url().split('/').pop()}`, member.token)
    expect(order.purchases.map(({ quantity }) => quantity)).toEqual([12, 3])

    await page.goto(appUrl('/snacks'))
    await settled(page)
    expect(await bar.count()).toBe(0)
  })

  it('rejected snacks are marked, and the others can be ordered', async () => {
    const [free, taken, gone] = [await newSnack(), await newSnack(), await newSnack()]
    const page = await open(await newMember(), '/snacks')
    for (const snack of [free, taken, gone]) await choose(page, snack)
    await newOrder(await newMember(), [taken])
    await page.getByRole('region', { name: '주문할 간식' }).getByRole('button', { name: '주문하기' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByRole('button', { name: '주문하기' }).click()
    await expectText(dialog.getByRole('alert'), '이미 주문 중인 간식이 있습니다.')
    const line = (snack: Snack) => dialog.locator('li.line').filter({ hasText: snack.name })
    await expectText(line(taken), /이미 주문/)
    expect(await line(free).locator('.field-error').count()).toBe(0)
    await dialog.getByRole('button', { name: `${taken.name} 빼기` }).click()

    // Another error marks another line.
    const boss = await newAdmin()
    await request('PUT', `/snacks/${gone.uid}/status`, boss.token, { status: 'unavailable' })
    await dialog.getByRole('button', { name: '주문하기' }).click()
    await expectText(line(gone), /주문할 수 없는 간식/)
    await dialog.getByRole('button', { name: '주문할 수 없는 간식 빼기' }).click()
    await dialog.getByRole('button', { name: '주문하기' }).click()
    await page.waitForURL(/\/orders\/[0-9a-f-]{36}$/)
    await expectText(page.locator('.purchases'), free.name)
    expect(await page.locator('.purchase').count()).toBe(1)
  })

  it('a retry after a lost response places one order', async () => {
    const member = await newMember()
    const page = await open(member, '/snacks')
    await choose(page, await newSnack())
    const keys: (string | undefined)[] = []
    await page.route('**/orders', async (route) => {
      keys.push(route.request().headers()['idempotency-key'])
      if (keys.length > 1) return route.continue()
      // The server gets the request, but the browser gets no response.
      await route.fetch()
      await route.abort()
    })
    await page.getByRole('region', { name: '주문할 간식' }).getByRole('button', { name: '주문하기' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByRole('button', { name: '주문하기' }).click()
    await expectText(dialog.getByRole('alert'), '서버에 연결할 수 없습니다')
    await dialog.getByRole('button', { name: '주문하기' }).click()
    await page.waitForURL(/\/orders\/[0-9a-f-]{36}$/)
    expect(keys).toHaveLength(2)
    expect(keys[0]).toBe(keys[1])
    expect((await request<{ results: Order[] }>('GET', '/orders?user=me', member.token)).results).toHaveLength(1)
  })
})

describe('editing an order', () => {
  it('changes quantities, removes snacks and adds others', async () => {
    const member = await newMember()
    const [stays, goes, comes] = [await newSnack(), await newSnack(), await newSnack()]
    const order = await newOrder(member, [stays, goes])
    // The line keeps the price that it was ordered at.
    await request('PATCH', `/snacks/${stays.uid}`, (await newAdmin()).token, { price: '9999' })
    const page = await open(member, `/orders/${order.uid}`)
    await page.getByRole('button', { name: '주문 수정' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByRole('button', { name: `${goes.name} 빼기` }).click()
    await dialog.locator('li.line').getByRole('button', { name: '수량 늘리기' }).click()
    await dialog.getByLabel('간식 추가').fill(comes.name)
    await dialog.getByRole('button', { name: comes.name }).click()
    await expectText(dialog.locator('.totals'), /₩6,000/)
    await dialog.getByRole('button', { name: '저장' }).click()
    await toast(page, '주문을 수정했습니다').waitFor()
    await expectText(page.locator('.purchases'), new RegExp(`${stays.name}[\\s\\S]*₩4,500[\\s\\S]*${comes.name}`))
    expect(await page.getByText(goes.name).count()).toBe(0)
  })

  it('does not overwrite a change that was made meanwhile', async () => {
    const member = await newMember()
    const [first, second] = [await newSnack(), await newSnack()]
    const order = await newOrder(member, [first, second])
    const page = await open(member, `/orders/${order.uid}`)
    await page.getByRole('button', { name: '주문 수정' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByRole('button', { name: `${first.name} 빼기` }).click()
    await request('PUT', `/orders/${order.uid}`, member.token, { snacks: [{ uid: second.uid, quantity: 7 }] })
    await dialog.getByRole('button', { name: '저장' }).click()
    await expectText(dialog.getByRole('alert'), '그사이에 주문이 바뀌었습니다.')
    // The dialog shows the present lines.
    await expect.poll(() => dialog.getByRole('spinbutton').inputValue()).toBe('7')
    await dialog.getByRole('button', { name: '수량 늘리기' }).click()
    await dialog.getByRole('button', { name: '저장' }).click()
    await dialog.waitFor({ state: 'detached' })
    expect((await request<Order>('GET', `/orders/${order.uid}`, member.token)).purchases[0]!.quantity).toBe(8)
  })

  it('is for the owner and admins while the status is created', async () => {
    const owner = await newMember()
    const order = await newOrder(owner)
    const stranger = await open(await newMember(), `/orders/${order.uid}`)
    expect(await stranger.getByRole('button', { name: '주문 수정' }).count()).toBe(0)
    const boss = await open(await newAdmin(), `/orders/${order.uid}`)
    await boss.getByRole('button', { name: '주문 수정' }).waitFor()
    await moveOrder(order, 'approved')
    const page = await open(owner, `/orders/${order.uid}`)
    await page.getByText('승인 완료').first().waitFor()
    expect(await page.getByRole('button', { name: '주문 수정' }).count()).toBe(0)
  })
})

describe('the order list', () => {
  it('shows every field of an order', async () => {
    const member = await newMember()
    const snack = await newSnack({ price: '1500' })
    const order = await newOrder(member, [snack], 3)
    await moveOrder(order, 'approved')
    await moveOrder(order, 'ordered')
    const page = await openOrders(member, member)
    const shown = orderCard(page, order)
    await expectText(shown, new RegExp(snack.name))
    await expectText(shown, /3개 · ₩4,500/)
    await expectText(shown, new RegExp(member.name))
    await expectText(shown, new RegExp(member.email))
    // 03:00 UTC, on a browser in New York.
    await expectText(shown, /2030\. 1\. 9\. 오후 12:00/)
    await expectText(shown, /주문 완료/)
    await expectText(shown, /합계\s*₩4,500/)
    // Members cannot change the status.
    expect(await shown.locator('.head').getByRole('button').count()).toBe(0)
  })

  it('filters by status, user and period in its address', async () => {
    const member = await newMember()
    const [, canceled] = [await newOrder(member), await newOrder(member)]
    await moveOrder(canceled, 'canceled')
    const page = await open(member)
    await page.getByRole('combobox', { name: '주문한 사람' }).selectOption({ label: '내 주문' })
    await expect.poll(() => page.locator('li.order').count()).toBe(2)
    await page.getByRole('button', { name: '취소', exact: true }).click()
    await expect.poll(() => page.locator('li.order').count()).toBe(1)
    await orderCard(page, canceled).waitFor()
    const waiting = page.getByRole('button', { name: '승인 대기' })
    await waiting.click()
    await expect.poll(() => page.locator('li.order').count()).toBe(2)
    // A second click removes the filter.
    await waiting.click()
    await expect.poll(() => page.locator('li.order').count()).toBe(1)
    expect(await waiting.getAttribute('aria-pressed')).toBe('false')
    await waiting.click()
    await expect.poll(() => page.locator('li.order').count()).toBe(2)
    expect(await waiting.getAttribute('aria-pressed')).toBe('true')
    await page.getByLabel('정렬').selectOption({ label: '진행 단계 역순' })
    await expect.poll(() => page.locator('li.order h2 a').first().getAttribute('href')).toContain(canceled.uid)

    await page.getByRole('combobox', { name: '기간', exact: true }).selectOption({ label: '월' })
    await expect.poll(() => page.url()).toMatch(/month=\d+/)
    await expect.poll(() => page.locator('li.order').count()).toBe(2)
    await page.reload()
    await expect.poll(() => page.locator('li.order').count()).toBe(2)
    await page.getByRole('button', { name: '이전 기간' }).click()
    await expectText(page.locator('.empty'), '조건에 맞는 주문이 없습니다.')
    await page.locator('.empty').getByRole('button', { name: '필터 초기화' }).click()
    await expect.poll(() => page.locator('li.order').count()).toBe(10)
    expect(page.url()).not.toMatch(/user|month|status=/)
  })

  it('removes orders that no longer match the status filter', async () => {
    const member = await newMember()
    const [approved, canceled, stays] = [await newOrder(member), await newOrder(member), await newOrder(member)]
    const boss = await newAdmin()
    const page = await open(boss)
    await page.goto(appUrl(`/orders?user=${member.id}&status=approved`))
    await page.locator('.empty').waitFor()
    // Both lists are cached from here on.
    await page.getByRole('button', { name: '승인 완료', exact: true, pressed: true }).click()
    await page.getByRole('button', { name: '승인 대기', exact: true, pressed: false }).click()
    await expect.poll(() => page.locator('li.order').count()).toBe(3)

    await move(page, approved, '승인')
    await toast(page, '주문을 승인했습니다').waitFor()
    await orderCard(page, approved).waitFor({ state: 'detached' })
    // The focus stays in the page.
    await expect
      .poll(() => page.evaluate(() => document.querySelector('main')!.contains(document.activeElement)))
      .toBe(true)
    await chooseInMenu(page, canceled, '주문 취소')
    await page.getByRole('dialog').getByLabel('취소 사유').fill('다른 주문과 겹칩니다.')
    await page.getByRole('dialog').getByRole('button', { name: '주문 취소' }).click()
    await orderCard(page, canceled).waitFor({ state: 'detached' })
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    expect(await page.locator('li.order').count()).toBe(1)
    await orderCard(page, stays).waitFor()

    // The other list shows the order without a reload.
    await page.getByRole('button', { name: '승인 대기', exact: true, pressed: true }).click()
    await page.getByRole('button', { name: '승인 완료', exact: true, pressed: false }).click()
    await orderCard(page, approved).waitFor()
    await expect.poll(() => page.locator('li.order').count()).toBe(1)
  })

  it('loads more orders on request', async () => {
    const page = await open(await newMember())
    const more = page.getByRole('button', { name: '더 보기' })
    await more.click()
    await expect.poll(() => page.locator('li.order').count()).toBe(20)
    const links = await page.locator('li.order h2 a').evaluateAll((all) => all.map((link) => link.getAttribute('href')))
    expect(new Set(links).size).toBe(20)
  })
})

describe('changing the status of an order', () => {
  it('an admin moves it through every status, with arrival times, and the history shows it', async () => {
    const [member, boss] = [await newMember(), await newAdmin()]
    const order = await newOrder(member)
    const page = await openOrders(boss, member)
    const fetched = () => request<Order>('GET', `/orders/${order.uid}`, member.token)

    // One button for the next step, and the rest in a menu.
    const card = orderCard(page, order)
    await card.getByRole('button', { name: '다른 작업' }).press('Enter')
    await expect.poll(() => page.getByRole('menuitem').allInnerTexts()).toEqual(['주문 취소'])
    await page.keyboard.press('Escape')
    await card.getByRole('button', { name: '승인', exact: true }).press('Enter')
    await expectText(status(page, order), '승인 완료')

    // The field appears on the card when the arrival time is needed.
    const field = card.getByLabel('도착 예정')
    expect(await field.count()).toBe(0)
    await move(page, order, '주문 완료로')
    await card.getByText('도착 예정 시간을 입력해 주세요.').waitFor()
    await expect.poll(() => field.evaluate((input) => input === document.activeElement)).toBe(true)
    await field.fill('2031-05-05T09:30')
    await field.press('Enter')
    await expectText(status(page, order), '주문 완료')
    expect((await fetched()).estimated_arrival_time).toBe('2031-05-05T00:30:00Z')

    // The time that is known goes along, unless it is changed.
    await chooseInMenu(page, order, '도착 예정 변경')
    expect(await field.inputValue()).toBe('2031-05-05T09:30')
    await field.fill('2031-05-06T18:00')
    await move(page, order, '배송 중으로')
    await expectText(status(page, order), '배송 중')
    await chooseInMenu(page, order, '도착 예정 변경')
    await field.fill('2031-05-07T10:00')
    await card.getByLabel('변경 사유 (선택)').fill('배송이 늦어집니다.')
    await card.getByRole('button', { name: '도착 예정 변경', exact: true }).click()
    await toast(page, '도착 예정 시간을 변경했습니다.').waitFor()
    await expect.poll(() => field.count()).toBe(0)
    await expectText(card, /2031\. 5\. 7\. 오전 10:00/)
    await move(page, order, '완료')
    await expectText(status(page, order), '배송 완료')
    // No step is left.
    expect(await card.getByRole('button').allInnerTexts()).toEqual(['다시 담기'])
    expect((await fetched()).status).toBe('completed')

    await orderCard(page, order).locator('h2 a').click()
    const steps = page.locator('.timeline li')
    await expect.poll(() => steps.count()).toBe(6)
    await expectText(steps.nth(0), new RegExp(`승인 대기[\\s\\S]*${member.name}`))
    await expectText(
      steps.nth(2),
      new RegExp(`주문 완료[\\s\\S]*${boss.name}[\\s\\S]*도착 예정 2031\\. 5\\. 5\\. 오전 9:30`),
    )
    await expectText(steps.nth(3), /배송 중[\s\S]*도착 예정 2031\. 5\. 6\. 오후 6:00/)
  })

  it('an admin leaves a page with several open orders', async () => {
    const member = await newMember()
    for (let orders = 0; orders < 3; orders += 1) await newOrder(member)
    const page = await openOrders(await newAdmin(), member)
    await expect.poll(() => page.getByRole('button', { name: '다른 작업' }).count()).toBe(3)
    await page.getByRole('link', { name: '통계' }).click()
    await page.getByRole('heading', { name: '통계', level: 1 }).waitFor()
  })

  it('canceling asks for a reason', async () => {
    const member = await newMember()
    const order = await newOrder(member)
    const page = await openOrders(await newAdmin(), member)
    const dialog = page.getByRole('dialog')
    await chooseInMenu(page, order, '주문 취소')
    await dialog.getByRole('button', { name: '돌아가기' }).click()
    await expectText(status(page, order), '승인 대기')
    await chooseInMenu(page, order, '주문 취소')
    await dialog.getByRole('button', { name: '주문 취소' }).click()
    await dialog.getByText('취소 사유를 입력해 주세요.').waitFor()
    await dialog.getByLabel('취소 사유').fill('품절되었습니다.')
    await dialog.getByRole('button', { name: '주문 취소' }).click()
    await expectText(status(page, order), '취소')
    expect((await request<Order>('GET', `/orders/${order.uid}`, member.token)).reason).toBe('품절되었습니다.')
  })

  it('the page of an order has the same button', async () => {
    const order = await newOrder(await newMember())
    const page = await open(await newAdmin(), `/orders/${order.uid}`)
    const heading = page.locator('main header').first()
    await heading.getByRole('button', { name: '승인', exact: true }).click()
    await heading.getByText('승인 완료').waitFor()
    await heading.getByRole('button', { name: '주문 완료로' }).click()
    await heading.getByRole('button', { name: /^내일/ }).click()
    await heading.getByRole('button', { name: '주문 완료로' }).click()
    await heading.getByText('주문 완료', { exact: true }).waitFor()
    await heading.getByRole('button', { name: '배송 중으로' }).click()
    await heading.getByText('배송 중', { exact: true }).waitFor()
  })

  it('an approval over the budget needs a second press', async () => {
    const order = await newOrder(await newMember(), [await newSnack({ price: '1000', currency: 'JPY' })])
    const { committed } = await setLimit('JPY', '1')
    await setLimit('JPY', String(Number(committed) + 1500))
    const page = await open(await newAdmin(), `/orders/${order.uid}`)
    await page.getByRole('button', { name: '승인', exact: true }).click()
    await expectText(page.getByRole('alert'), '예산을 JP¥500 넘어요.')
    await page.getByRole('button', { name: '예산을 넘겨 승인' }).click()
    await page.getByRole('button', { name: '주문 완료로' }).waitFor()
    await setLimit('JPY', null)
  })

  it('a hated snack is named', async () => {
    const member = await newMember()
    const [liked, hated] = [await newSnack(), await newSnack()]
    const order = await newOrder(member, [liked, hated])
    await react(member, hated, 'hate')
    const page = await openOrders(await newAdmin(), member)
    await move(page, order, '승인')
    const message = toast(page, '싫어요가 좋아요보다 많은 간식이 있습니다.')
    await expectText(message, hated.name)
    expect(await message.innerText()).not.toContain(liked.name)
    await expectText(status(page, order), '승인 대기')
  })

  it('an outdated view shows the present status', async () => {
    const member = await newMember()
    const order = await newOrder(member)
    const page = await openOrders(await newAdmin(), member)
    await withoutStream(page)
    await moveOrder(order, 'approved')
    await move(page, order, '승인')
    await toast(page, '그사이에 주문이 바뀌었습니다').waitFor()
    await expectText(status(page, order), '승인 완료')
  })

  it('of two changes at the same moment one fails and shows the present status', async () => {
    const member = await newMember()
    const order = await newOrder(member)
    const page = await openOrders(await newAdmin(), member)
    await withoutStream(page)
    let tag: string | undefined
    await page.route('**/orders/*/status', async (route) => {
      tag = route.request().headers()['if-match']
      await moveOrder(order, 'canceled')
      await route.continue()
    })
    await move(page, order, '승인')
    await toast(page, '그사이에 주문이 바뀌었습니다.').waitFor()
    expect(tag).toMatch(/^"\d+"$/)
    await expectText(status(page, order), '취소')
  })

  it('an order with changed snacks is shown before it can be approved', async () => {
    const member = await newMember()
    const order = await newOrder(member)
    const page = await openOrders(await newAdmin(), member)
    await withoutStream(page)
    const other = await newSnack({ name: `몰래 바꾼 과자 ${unique()}` })
    await request('PUT', `/orders/${order.uid}`, member.token, { snacks: [{ uid: other.uid, quantity: 100 }] })
    await move(page, order, '승인')
    await toast(page, '그사이에 주문이 바뀌었습니다').waitFor()
    await expectText(orderCard(page, order), new RegExp(`${other.name}[\\s\\S]*100개`))
    await expectText(status(page, order), '승인 대기')
  })
})
