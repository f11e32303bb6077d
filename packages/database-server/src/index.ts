export {
  startDatabaseServer,
  findDatabaseServer,
  type DatabaseServer,
  type DatabaseServerOptions,
} from './database-server.ts';
