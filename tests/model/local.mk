# The model test: KV_MODEL_OPS operations (7500), KV_TEST_SEED
check_PROGRAMS += tests/model/test_model
TESTS += tests/model/test_model
LONG_TESTS += tests/model/test_model
tests_model_test_model_SOURCES = tests/model/test_model.c tests/model/model.c tests/model/model.h
