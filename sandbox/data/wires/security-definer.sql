-- database: shop
-- as: master
CREATE FUNCTION public.all_customers() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM public.customers'
