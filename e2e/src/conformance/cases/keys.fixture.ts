import {
  type Case,
  alipayPlus,
  ams,
  bothDialects,
  refused,
  refusedUnsigned,
  replacingHeader,
  taken,
} from './case.fixture.ts'

const naming = (named: string) => ({
  signature: ({ base64 }: { base64: string }) =>
    `algorithm=RSA256,keyVersion=${named},signature=${encodeURIComponent(base64)}`,
})

const unnamed = {
  signature: ({ base64 }: { base64: string }) => `algorithm=RSA256,signature=${encodeURIComponent(base64)}`,
}

/** Which key may have signed, and what is signed at all. */
export const keyCases = (): Case[] => [
  ...alipayPlus([
    { by: '3.3-versions', that: 'version 0 is a version', plan: { signer: { version: '0' } }, ...taken },
    { by: '3.3-versions', that: 'version 1 is a version', plan: { signer: { version: '1' } }, ...taken },
    { by: '3.3-versions', that: 'version 2 is a version', plan: { signer: { version: '2' } }, ...taken },
    {
      by: '4.3-key-states',
      that: 'a retiring key still verifies',
      plan: { signer: { version: '0' }, target: '/notify/second' },
      ...taken,
    },
    {
      by: '4.3-key-states',
      that: 'an older active key verifies beside the newest',
      plan: { signer: { version: '1' }, target: '/notify/second' },
      ...taken,
    },
    {
      by: '4.3-key-states',
      that: 'a retired key is not found',
      plan: { signer: { version: '3' } },
      ...refused('KEY_NOT_FOUND'),
    },
    {
      by: '4.3-key-states',
      that: 'a retired key does not verify under the name of an active one',
      plan: { signer: { version: '3' }, ...naming('2') },
      ...refused('INVALID_SIGNATURE'),
    },
    {
      by: '4.3-key-states',
      that: 'a retired key does not verify without a version',
      plan: { signer: { version: '3' }, ...unnamed },
      ...refused('INVALID_SIGNATURE'),
    },
    {
      by: '4.3-unknown-version',
      that: 'a version that the client does not have is not found',
      plan: naming('5'),
      ...refused('KEY_NOT_FOUND'),
    },
    {
      by: '4.4-not-covered',
      that: 'naming the version of another key grants nothing',
      plan: { signer: { version: '2' }, ...naming('1') },
      ...refused('INVALID_SIGNATURE'),
    },
    {
      by: '3.3-missing-version',
      that: 'the newest key is the greatest active version',
      plan: { signer: { version: '2' }, target: '/notify/second', ...unnamed },
      ...taken,
    },
    {
      by: '4.3-key-of-the-client',
      that: 'our own key does not verify what we receive',
      plan: { signer: { isOurs: true }, ...naming('2') },
      ...refused('INVALID_SIGNATURE'),
    },
  ]),
  ...bothDialects([
    {
      by: '6-key-not-found',
      that: 'a client without any key gets KEY_NOT_FOUND, signed',
      plan: { client: 'keyless', signer: { client: 'plus' } },
      ...refused('KEY_NOT_FOUND'),
    },
    {
      by: '6-key-not-found',
      that: 'a client without any key gets it without a version too',
      plan: { client: 'keyless', signer: { client: 'plus' }, ...unnamed },
      ...refused('KEY_NOT_FOUND'),
    },
    {
      by: '6-key-not-found',
      that: 'a client whose keys are all retired has none',
      plan: { client: 'retired', signer: { version: '1' } },
      ...refused('KEY_NOT_FOUND'),
    },
    {
      by: '6-key-not-found',
      that: 'a client whose keys are all retired has no newest one',
      plan: { client: 'retired', signer: { version: '1' }, ...unnamed },
      ...refused('KEY_NOT_FOUND'),
    },
    {
      by: '4.3-unknown-version',
      that: 'version 99 is not found, though the signature is genuine',
      plan: naming('99'),
      ...refused('KEY_NOT_FOUND'),
    },
    {
      by: '4.3-any-version',
      that: 'an unknown version is no obstacle where any is allowed',
      plan: { client: 'anyVersion', ...naming('77') },
      ...taken,
    },
    {
      by: '4.3-any-version',
      that: 'an older active key is tried under the name of the newest',
      plan: { client: 'anyVersion', signer: { version: '1' }, ...naming('2') },
      ...taken,
    },
    {
      by: '4.3-any-version',
      that: 'the name of a retired key is no obstacle for an active one',
      plan: { client: 'anyVersion', ...naming('4') },
      ...taken,
    },
    {
      by: '4.3-any-version',
      that: 'a retiring key verifies under its own name',
      plan: { client: 'anyVersion', signer: { version: '3' } },
      ...taken,
    },
    {
      by: '4.3-any-version',
      that: 'a retiring key is not tried under a name that is not its own',
      plan: { client: 'anyVersion', signer: { version: '3' }, ...naming('1') },
      ...refused('INVALID_SIGNATURE'),
    },
    {
      by: '4.3-any-version',
      that: 'a retired key is not tried',
      plan: { client: 'anyVersion', signer: { version: '4' } },
      ...refused('INVALID_SIGNATURE'),
    },
    {
      by: '4.3-any-version',
      that: 'the key of another client is not tried',
      plan: { client: 'anyVersion', signer: { client: 'plus' } },
      ...refused('INVALID_SIGNATURE'),
    },
  ]),
  ...alipayPlus([
    {
      by: '4.3-key-of-the-client',
      that: 'on a shared path the key of the other client does not verify',
      plan: { signer: { client: 'ams' } },
      ...refused('INVALID_SIGNATURE'),
    },
    {
      by: '4.4-boundary',
      that: 'a boundary moved from the time into the client id meets an unknown client',
      plan: {
        time: '2019-07-12T12:08:56.253+05:30',
        headers: (lines) =>
          lines.map(([name, value]) => {
            if (name === 'client-id') return [name, `${value}.2019-07-12T12:08:56`]
            return [name, name === 'Request-Time' ? '253+05:30' : value]
          }),
      },
      ...refusedUnsigned('PARAM_ILLEGAL'),
    },
    {
      by: '4.4-boundary',
      that: 'a boundary moved from the time into the body meets a time without offset',
      plan: {
        time: '2019-07-12T12:08:56',
        body: '253+05:30.{"referenceMerchantId":"M"}',
      },
      ...refused('PARAM_ILLEGAL'),
    },
    {
      by: '4.4-other-apis',
      that: 'a genuine message to another API does not verify on our path',
      plan: { signed: { uri: '/aps/api/v1/merchants/inquiryRegistrationStatus' } },
      ...refused('INVALID_SIGNATURE'),
    },
    {
      by: '4.4-other-apis',
      that: 'the path of an Alipay API is none of ours',
      plan: { target: '/aps/api/v1/merchants/notifyRegistrationStatus' },
      ...refusedUnsigned('NO_INTERFACE_DEF'),
    },
    {
      by: '4.4-other-apis',
      that: 'an answer of ours is no request',
      plan: {
        signer: { isOurs: true },
        time: '2026-01-02T03:04:05+00:00',
        body: '{"result":{"resultCode":"SUCCESS","resultStatus":"S","resultMessage":"Success"}}',
        ...naming('1'),
      },
      ...refused('INVALID_SIGNATURE'),
    },
  ]),
  ...ams([
    {
      by: '4.3-key-of-the-client',
      that: 'on a shared path the key of the other client does not verify',
      plan: { signer: { client: 'plus', version: '1' } },
      ...refused('INVALID_SIGNATURE'),
    },
    {
      by: '4.3-key-of-the-client',
      that: 'a genuine notification of another client is not taken under this id',
      plan: { client: 'plus', ...replacingHeader('client-id', 'SANDBOX_5X00000000000001') },
      ...refused('KEY_NOT_FOUND'),
    },
  ]),
]
