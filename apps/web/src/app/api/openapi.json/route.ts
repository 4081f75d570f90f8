import { openApiDocument } from '@blyan/protocol/rest/document';
import { OPERATIONS } from '@blyan/protocol/rest/registry';
import { version } from '../../../../package.json';

export const dynamic = 'force-static';

/** Never another for one version of the server: made when that is built. */
export const GET = () => Response.json(openApiDocument(OPERATIONS, version));
