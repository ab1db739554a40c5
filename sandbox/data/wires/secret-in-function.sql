-- database: shop
-- as: master
CREATE FUNCTION public.sign(document text) RETURNS text LANGUAGE sql AS $$
SELECT 'AKIAABCDEFGHIJKLMNOP' || md5(document)
$$
