// A receiver of webhooks, and channels that lead to it.
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'

import type { components } from '../../src/api/schema'
import { admin, request } from './harness'

export type Channel = components['schemas']['Channel']

export interface Received {
  path: string
  headers: IncomingHttpHeaders
  body: string
}

export interface Receiver {
  url: string
  /** The HTTP status of the responses. */
  status: number
  received: Received[]
  close: () => void
}

/** Starts a receiver on a port of its own. */
export async function startReceiver(): Promise<Receiver> {
  const received: Received[] = []
  const server = createServer(async (message, response) => {
    let body = ''
    for await (const chunk of message) body += chunk
    received.push({ path: message.url!, headers: message.headers, body })
    response.statusCode = receiver.status
    response.end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const close = () => {
    server.close()
    server.closeAllConnections()
  }
  const receiver: Receiver = { url: `http://127.0.0.1:${port}`, status: 200, received, close }
  return receiver
}

export async function newChannel(
  fields: Pick<Channel, 'kind' | 'name' | 'url'> & { events: string[] },
): Promise<Channel> {
  return request('POST', '/channels', await admin(), fields)
}

/** Deletes all channels, because there can be 20 only. */
export async function deleteChannels(): Promise<void> {
  const { results } = await request<{ results: Channel[] }>('GET', '/channels?limit=100', await admin())
  for (const { id } of results) await request('DELETE', `/channels/${id}`, await admin())
}
