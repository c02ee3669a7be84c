// A client's certificate and key, as PEM, made here: keytool gives no key away, and nothing else is needed for it. A certificate of the first version, which signs itself.
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'

export interface ClientCertificate {
  cert: string
  key: string
}

const SEQUENCE = 0x30
const YEARS = 10

export function clientCertificate(commonName: string): ClientCertificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  // ecdsa-with-SHA256
  const algorithm = der(SEQUENCE, der(0x06, Buffer.from('2a8648ce3d040302', 'hex')))
  const name = der(SEQUENCE, der(0x31, der(SEQUENCE, der(0x06, Buffer.from('550403', 'hex')), der(0x0c, Buffer.from(commonName)))))
  // Positive, and not a byte too long.
  const serial = der(0x02, Buffer.concat([Buffer.from([0x40]), randomBytes(8)]))
  const signed = der(SEQUENCE, serial, algorithm, name, validity(new Date()), name, publicKey.export({ type: 'spki', format: 'der' }))
  const signature = der(0x03, Buffer.from([0]), sign('sha256', signed, privateKey))
  const lines = der(SEQUENCE, signed, algorithm, signature)
    .toString('base64')
    .match(/.{1,64}/g)!
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}

/** From yesterday on: clocks differ. */
function validity(now: Date): Buffer {
  const at = (days: number) =>
    der(0x17, Buffer.from(`${new Date(+now + days * 86_400_000).toISOString().replace(/\D/g, '').slice(2, 14)}Z`))
  return der(SEQUENCE, at(-1), at(YEARS * 365))
}

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts)
  const length = body.length < 128 ? [body.length] : body.length < 256 ? [0x81, body.length] : [0x82, body.length >> 8, body.length & 255]
  return Buffer.concat([Buffer.from([tag, ...length]), body])
}
