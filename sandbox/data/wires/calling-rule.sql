-- database: shop
-- as: master
CREATE FUNCTION public.http_post(address text) RETURNS int LANGUAGE sql AS 'SELECT 200'

CREATE RULE hook AS ON DELETE TO public.products DO ALSO SELECT public.http_post('https://hooks.example/products')
